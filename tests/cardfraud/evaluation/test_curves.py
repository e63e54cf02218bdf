import numpy as np
import pytest

from cardfraud.errors import InvalidFrame
from cardfraud.evaluation.classification import auc_roc, average_precision
from cardfraud.evaluation.curves import MAX_POINTS, precision_recall_curve, roc_curve


def test_roc_points_of_four_rows() -> None:
    """The points are those of the definition, one for each distinct score."""
    curve = roc_curve([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.7])
    assert curve.x == (0.0, 0.5, 1.0)
    assert curve.y == (0.5, 0.5, 1.0)
    assert curve.threshold == (0.9, 0.8, 0.7)


def test_precision_recall_points_of_four_rows() -> None:
    """Recall rises with each threshold, precision is the share of frauds so far."""
    curve = precision_recall_curve([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6])
    assert curve.x == (0.5, 0.5, 1.0, 1.0)
    assert curve.y == pytest.approx((1.0, 0.5, 2 / 3, 0.5))


def test_the_areas_under_the_curves_are_the_metrics() -> None:
    """The trapezium under the ROC points is AUC; the steps under precision-recall are AP."""
    rng = np.random.default_rng(3)
    y = rng.random(300) < 0.3
    s = np.round(rng.random(300) + 0.5 * y, 2)
    roc = roc_curve(y, s)
    area = np.trapezoid([0.0, *roc.y], [0.0, *roc.x])
    assert area == pytest.approx(auc_roc(y, s))
    pr = precision_recall_curve(y, s)
    steps = np.sum(np.diff([0.0, *pr.x]) * np.array(pr.y))
    assert steps == pytest.approx(average_precision(y, s))


def test_a_long_curve_is_thinned_keeps_its_ends_and_is_finite_json() -> None:
    """Whatever the number of rows, the curve is short, complete at both ends, and plain JSON."""
    rng = np.random.default_rng(0)
    y = rng.random(20_000) < 0.01
    curve = roc_curve(y, rng.random(20_000))
    assert len(curve.x) <= MAX_POINTS
    assert (curve.x[-1], curve.y[-1]) == (1.0, 1.0)
    assert "Infinity" not in curve.model_dump_json()


def test_one_class_has_no_curve() -> None:
    """A curve of rows without fraud is refused instead of dividing by zero."""
    with pytest.raises(InvalidFrame, match="both classes"):
        roc_curve([0, 0], [0.1, 0.2])
