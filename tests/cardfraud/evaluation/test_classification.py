import numpy as np
import pytest

from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud.evaluation.classification import (
    auc_roc,
    average_precision,
    classification_metrics,
    precision_at_k,
)

LABELS = [1, 0, 1, 0, 0]
SCORES = [0.9, 0.8, 0.7, 0.2, 0.1]


def test_metrics_have_the_values_worked_out_by_hand() -> None:
    """Every metric of five rows equals the value that paper and pencil give."""
    found = classification_metrics(LABELS, SCORES, threshold=0.75, k=3)
    assert (found.true_positives, found.false_positives) == (1, 1)
    assert (found.false_negatives, found.true_negatives) == (1, 2)
    assert found.accuracy == pytest.approx(3 / 5)
    assert (found.precision, found.recall, found.f1) == pytest.approx((0.5, 0.5, 0.5))
    assert found.auc_roc == pytest.approx(5 / 6)
    assert found.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert found.precision_at_k == pytest.approx(2 / 3)
    assert found.brier == pytest.approx((0.01 + 0.64 + 0.09 + 0.04 + 0.01) / 5)


def test_a_score_equal_to_the_threshold_is_flagged() -> None:
    """The threshold itself belongs to the flagged side."""
    assert classification_metrics([1, 0], [0.5, 0.4], threshold=0.5).recall == 1.0


def test_random_order_of_rows_changes_nothing() -> None:
    """Metrics depend on the pairs of label and score, not on their order."""
    order = [3, 0, 4, 2, 1]
    shuffled = classification_metrics(np.array(LABELS)[order], np.array(SCORES)[order])
    plain = classification_metrics(LABELS, SCORES)
    assert shuffled.model_dump() == pytest.approx(plain.model_dump())


def test_undefined_metrics_are_none_and_the_json_stays_finite() -> None:
    """Rows of one class give None where a metric is undefined, and JSON without NaN."""
    found = classification_metrics([0, 0], [0.1, 0.2])
    assert found.auc_roc is None
    assert found.average_precision is None
    assert found.precision == found.recall == found.f1 == 0.0
    assert "NaN" not in found.model_dump_json()


def test_a_constant_scorer_gets_the_share_of_frauds_as_average_precision() -> None:
    """Ties are one group: a constant scorer is no better than chance, whatever the row order."""
    assert average_precision([1, 0, 0, 0], [0.3] * 4) == pytest.approx(0.25)
    assert auc_roc([1, 0, 0, 0], [0.3] * 4) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("labels", "scores", "names"),
    [
        ([], [], "no rows"),
        ([1, 0], [0.5], "1 scores"),
        ([1, 2], [0.5, 0.5], "neither 0 nor 1"),
        ([1, 0], [0.5, float("nan")], "not finite"),
        ([1, 0], [0.5, float("inf")], "not finite"),
        ([[1, 0]], [[0.5, 0.1]], "flat"),
        ([1, 0], [0.5, 1.5], "outside 0 to 1"),
    ],
)
def test_arrays_that_make_no_sense_are_refused_by_name(
    labels: list[int], scores: list[float], names: str
) -> None:
    """Each kind of bad input raises an error that says what is wrong."""
    with pytest.raises(InvalidFrame, match=names):
        classification_metrics(labels, scores)


def test_precision_at_k_needs_a_positive_k() -> None:
    """Zero alerts have no precision."""
    with pytest.raises(InvalidSetting, match="k"):
        precision_at_k(LABELS, SCORES, k=0)
