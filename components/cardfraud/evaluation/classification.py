"""Metrics of a binary classifier's scores."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.calibration import brier_score, expected_calibration_error
from cardfraud.evaluation.inputs import labels_and_scores
from cardfraud.evaluation.result import Result


class ClassificationMetrics(Result):
    """How well scores tell frauds from the rest, over one set of rows.

    ``precision``, ``recall`` and ``f1`` are 0 where their denominator is 0. ``auc_roc`` is None
    where the rows hold one class only, ``average_precision`` where they hold no fraud.
    """

    rows: int
    positives: int
    threshold: float
    accuracy: float
    precision: float
    recall: float
    f1: float
    auc_roc: float | None
    average_precision: float | None
    precision_at_k: float
    k: int
    brier: float
    expected_calibration_error: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


def classification_metrics(
    labels: ArrayLike, probabilities: ArrayLike, *, threshold: float = 0.5, k: int = 100
) -> ClassificationMetrics:
    """Measure probabilities against labels.

    Args:
        labels: ``[N]``, true or 1 is fraud.
        probabilities: ``[N]``, each in 0 to 1.
        threshold: a row counts as flagged when its probability is at least this.
        k: how many of the highest scores ``precision_at_k`` looks at.

    Raises:
        InvalidFrame: the arrays do not fit together or hold values that are no probabilities.
        InvalidSetting: ``k`` is below 1.
    """
    y, p = labels_and_scores(labels, probabilities)
    flagged = p >= threshold
    tp = int((flagged & y).sum())
    fp = int((flagged & ~y).sum())
    fn = int((~flagged & y).sum())
    tn = len(y) - tp - fp - fn
    return ClassificationMetrics(
        rows=len(y),
        positives=tp + fn,
        threshold=threshold,
        accuracy=(tp + tn) / len(y),
        precision=_ratio(tp, tp + fp),
        recall=_ratio(tp, tp + fn),
        f1=_ratio(2 * tp, 2 * tp + fp + fn),
        auc_roc=auc_roc(y, p),
        average_precision=average_precision(y, p),
        precision_at_k=precision_at_k(y, p, k=k),
        k=k,
        brier=brier_score(y, p),
        expected_calibration_error=expected_calibration_error(y, p),
        true_positives=tp,
        false_positives=fp,
        false_negatives=fn,
        true_negatives=tn,
    )


def auc_roc(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Return the area under the ROC curve, or None where there is one class only."""
    from sklearn.metrics import roc_auc_score

    y, s = labels_and_scores(labels, scores)
    return float(roc_auc_score(y, s)) if 0 < int(y.sum()) < len(y) else None


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Return the average precision (no interpolation), or None where there is no fraud."""
    from sklearn.metrics import average_precision_score

    y, s = labels_and_scores(labels, scores)
    # A perfect ranking of many rows can come out one rounding step above 1.
    return min(1.0, float(average_precision_score(y, s))) if y.any() else None


def precision_at_k(labels: ArrayLike, scores: ArrayLike, *, k: int) -> float:
    """Return the share of frauds among the ``k`` highest scores.

    Equal scores are taken in the order of the rows; with fewer than ``k`` rows all are taken.

    Raises:
        InvalidSetting: ``k`` is below 1.
    """
    if k < 1:
        raise InvalidSetting("k", f"must be at least 1, got {k}")
    y, s = labels_and_scores(labels, scores)
    return float(y[highest(s, k)].mean())


def highest(scores: NDArray[np.float64], k: int) -> NDArray[np.intp]:
    """Return the positions of the ``k`` highest scores, best first, ties in row order."""
    return np.argsort(-scores, kind="stable")[:k]


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else 0.0
