"""The part of the battery that is about inputs: their order, their range, and having none."""

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.contracts.bundle import InputColumn, Signature
from cardfraud.errors import IntegrityError
from cardfraud.evaluation.classification import auc_roc
from cardfraud.models.matrix import Float32Matrix
from cardfraud.models.parity import TOLERANCE, parity, require_parity
from cardfraud.models.training import TrainedModel, fit
from cardfraud.scoring.session import OnnxScorer
from tests.cardfraud.models.data import NAMES
from tests.cardfraud.models.small import SMALL, TEST, TRAIN, VALIDATION, train

ORDER = [3, 0, 4, 2, 1]
SHUFFLED = tuple(NAMES[i] for i in ORDER)


def signature(names: tuple[str, ...]) -> Signature:
    """A signature with these inputs."""
    inputs = tuple(InputColumn(name=name, default=0.0) for name in names)
    return Signature(feature_set_digest="sha256-" + "0" * 64, inputs=inputs)


def columns(x: Float32Matrix, order: list[int]) -> Float32Matrix:
    """The columns of a matrix in another order."""
    return np.ascontiguousarray(x[:, order])


def test_columns_may_come_in_any_order_that_has_their_names(name: str, model: TrainedModel) -> None:
    """Trained on shuffled columns with shuffled names, it serves under them, as good as before."""
    shuffled = fit(
        name,
        columns(TRAIN.x, ORDER),
        TRAIN.y,
        params=SMALL[name],
        names=SHUFFLED,
        validation=(columns(VALIDATION.x, ORDER), VALIDATION.y),
    )
    graph = shuffled.to_onnx(SHUFFLED)
    x = columns(TEST.x, ORDER)
    assert require_parity(shuffled, graph, x) <= TOLERANCE
    scores = OnnxScorer(graph, signature(SHUFFLED)).score(x)
    auc, expected = auc_roc(TEST.y, scores), auc_roc(TEST.y, model.predict_probability(TEST.x))
    assert auc == pytest.approx(expected, abs=0.03)


def test_a_graph_whose_names_stand_in_another_order_is_refused(model: TrainedModel) -> None:
    """A signature with the same names in another order does not go with the graph."""
    with pytest.raises(IntegrityError, match="feature_names"):
        OnnxScorer(model.to_onnx(NAMES), signature(SHUFFLED))


def unseen() -> Float32Matrix:
    """Test rows in which one column at a time holds what training never showed."""
    strange = np.array([0.0, -0.0, -1.0, -1e6, 1e6, 1e9, 1e-38, 1e-45, np.pi], dtype=np.float32)
    x = np.repeat(TEST.x[:20], len(strange) * len(NAMES), axis=0)
    place = np.arange(len(x))
    x[place, place % len(NAMES)] = strange[place // len(NAMES) % len(strange)]
    return x


def test_values_that_training_never_showed_give_probabilities(model: TrainedModel) -> None:
    """Negative, zero, tiny and huge values in one column each, alike in estimator and graph."""
    graph, x = model.to_onnx(NAMES), unseen()
    scores = OnnxScorer(graph, signature(NAMES)).score(x)
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert parity(model, graph, x) <= TOLERANCE


def test_the_largest_numbers_do_not_make_it_fall(model: TrainedModel) -> None:
    """The ends of float32 give a probability, whichever column they stand in."""
    top = np.finfo(np.float32).max
    x = np.repeat(TEST.x[:2], 2 * len(NAMES), axis=0)
    place = np.arange(len(x))
    x[place, place % len(NAMES)] = np.where(place // len(NAMES) % 2, top, -top)
    scores = OnnxScorer(model.to_onnx(NAMES), signature(NAMES)).score(x)
    assert ((scores >= 0) & (scores <= 1)).all()


def fit_quietly(name: str, x: Float32Matrix, y: NDArray[np.bool_], **rest: object) -> TrainedModel:
    """Fit on what may hold nothing to learn from."""
    with warnings.catch_warnings():
        # LightGBM says that there are no features to split on, which is the point here.
        warnings.simplefilter("ignore")
        return fit(name, x, y, params=SMALL[name], names=NAMES, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0.0, 1.0, -7.5, 1e6])
@pytest.mark.parametrize("calibrated", [False, True])
def test_constant_features_give_the_share_of_frauds(
    name: str, value: float, calibrated: bool
) -> None:
    """With nothing to learn from, each row gets about the share of frauds in the training rows."""
    constant = np.full_like(TRAIN.x, value)
    validation = (constant, TRAIN.y) if calibrated else None
    model = fit_quietly(name, constant, TRAIN.y, validation=validation)
    p = model.predict_probability(constant[:10])
    assert p == pytest.approx(np.full(10, TRAIN.y.mean()), abs=0.01)
    assert len(np.unique(p)) == 1
    assert parity(model, model.to_onnx(NAMES), constant[:10]) <= TOLERANCE


def test_one_constant_column_has_no_say(name: str, model: TrainedModel) -> None:
    """Another value in a column that never varied changes no score.

    Nothing was learnt about it. The scaler of the linear model leaves such a column unscaled and
    its coefficient at 0.
    """
    x = TEST.x.copy()
    x[:, NAMES.index("constant")] = 1e6
    assert np.array_equal(model.predict_probability(x), model.predict_probability(TEST.x))


def test_a_column_that_repeats_another_is_no_obstacle(name: str) -> None:
    """Two equal columns are fitted, exported and scored like any others."""
    twice = np.ascontiguousarray(np.hstack([TRAIN.x, TRAIN.x[:, :1]]))
    model = fit(name, twice, TRAIN.y, params=SMALL[name], names=[*NAMES, "again"])
    tested = np.ascontiguousarray(np.hstack([TEST.x, TEST.x[:, :1]]))
    assert require_parity(model, model.to_onnx([*NAMES, "again"]), tested) <= TOLERANCE
    auc = auc_roc(TEST.y, model.predict_probability(tested))
    assert auc is not None
    assert auc > 0.75


@pytest.mark.parametrize("count", [2, 3, 10])
def test_a_handful_of_rows_is_enough_to_fit(name: str, count: int) -> None:
    """Two rows, one of each class, give a model; whether it is any good is for others to say."""
    y = np.arange(count) == 0
    model = fit_quietly(name, TRAIN.x[:count], y)
    assert require_parity(model, model.to_onnx(NAMES), TEST.x) <= TOLERANCE


def test_another_seed_is_another_model_where_chance_has_a_say(name: str) -> None:
    """A forest, boosting on shares of features and a network differ by seed; regression does not.

    The linear model has one optimum, and its solver draws nothing.
    """
    graphs = {train(name, seed=seed).to_onnx(NAMES) for seed in (1, 2)}
    assert len(graphs) == (1 if name == "logistic_regression" else 2)
