"""Boosting that starts from a logistic regression on named features."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.classification import auc_roc
from cardfraud.models.parity import TOLERANCE, require_parity
from cardfraud.models.training import TrainedModel, fit
from tests.cardfraud.models.data import NAMES
from tests.cardfraud.models.small import TEST, TRAIN

NO_SPLIT = {"trees": 5, "min_split_gain": 1e9}


def boosting(params: dict[str, Any], **rest: Any) -> TrainedModel:
    """Fit boosting without calibration, so that margins are what was fitted."""
    return fit("gradient_boosting", TRAIN.x, TRAIN.y, params=params, names=NAMES, **rest)


def odds(share: float) -> float:
    """Log-odds of a share."""
    return float(np.log(share / (1 - share)))


def test_where_no_split_is_worth_it_the_start_alone_orders_the_rows() -> None:
    """Trees without a split leave all rows alike; with a start they lie as its feature says."""
    alike = boosting(NO_SPLIT).core.margin(TEST.x)
    assert np.ptp(alike) == 0
    started = boosting({**NO_SPLIT, "linear_start": ["ratio"]}).core.margin(TEST.x)
    order = np.argsort(TEST.x[:, 1], kind="stable")
    assert (np.diff(started[order]) >= 0).all()
    auc = auc_roc(TEST.y, started)
    assert auc is not None
    assert auc > 0.7


def test_the_start_is_the_regression_on_the_named_features_only() -> None:
    """Its margins are those of scikit-learn's own regression on the standardised column."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    column = TRAIN.x[:, [1]].astype(np.float64)
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    expected = regression.fit(column, TRAIN.y).decision_function(TEST.x[:, [1]].astype(np.float64))
    started = boosting({**NO_SPLIT, "linear_start": ["ratio"]}).core.margin(TEST.x)
    assert started == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("names", [["share"], ["amount", "ratio", "count"], list(NAMES)])
def test_the_export_adds_the_start(names: list[str]) -> None:
    """The graph holds trees and start, whatever the number of features it starts from."""
    model = boosting({"trees": 20, "min_samples_leaf": 20, "linear_start": names})
    assert require_parity(model, model.to_onnx(NAMES), TEST.x) <= TOLERANCE


@pytest.mark.parametrize("moved", [2e4, 1.6e9])
def test_the_export_adds_the_start_of_a_column_far_from_zero(moved: float) -> None:
    """What is large beside its spread, such as a time, keeps its digits in the graph."""
    x, tested = TRAIN.x.copy(), TEST.x.copy()
    for rows in (x, tested):
        rows[:, 1] = moved + rows[:, 1] * max(1.0, moved / 1e5)
    params = {"trees": 5, "linear_start": ["ratio", "share"]}
    model = fit("gradient_boosting", x, TRAIN.y, params=params, names=NAMES)
    assert require_parity(model, model.to_onnx(NAMES), tested) <= TOLERANCE


def test_weights_count_in_the_start_too() -> None:
    """With balanced weights the start's mean lies near even odds, without them near the share."""
    params = {**NO_SPLIT, "linear_start": ["constant"]}
    plain = boosting(params).core.margin(TEST.x)
    balanced = boosting({**params, "positive_weight": "balanced"}).core.margin(TEST.x)
    assert plain.mean() == pytest.approx(odds(TRAIN.y.mean()), abs=0.01)
    assert balanced.mean() == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(
    ("start", "names", "said"),
    [
        (["speed"], NAMES, "no column 'speed'"),
        (["ratio"], None, "no column 'ratio'"),
        (["ratio", "ratio"], NAMES, "twice"),
    ],
)
def test_a_start_from_features_that_are_not_there_is_refused(
    start: list[str], names: tuple[str, ...] | None, said: str
) -> None:
    """The error names the parameter and the feature."""
    with pytest.raises(InvalidSetting, match=rf"linear_start.*{said}"):
        fit("gradient_boosting", TRAIN.x, TRAIN.y, params={"linear_start": start}, names=names)


def test_the_record_says_where_it_started() -> None:
    """Fitted again from its record, the model has the same bytes."""
    first = boosting({"trees": 5, "linear_start": ["share", "ratio"]})
    assert first.parameters["linear_start"] == ["share", "ratio"]
    again = boosting({"trees": 5, "linear_start": first.parameters["linear_start"]})
    assert again.to_onnx(NAMES) == first.to_onnx(NAMES)


def test_columns_are_found_by_name() -> None:
    """With the columns in another order the same names give the same margins."""
    order = [4, 2, 0, 1, 3]
    params = {**NO_SPLIT, "linear_start": ["ratio", "share"]}
    moved: NDArray[np.float32] = np.ascontiguousarray(TRAIN.x[:, order])
    model = fit("gradient_boosting", moved, TRAIN.y, params=params, names=[NAMES[i] for i in order])
    expected = boosting(params).core.margin(TEST.x)
    found = model.core.margin(np.ascontiguousarray(TEST.x[:, order]))
    assert found == pytest.approx(expected, abs=1e-9)
