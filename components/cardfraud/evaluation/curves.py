"""Curves as short lists of finite points, ready for a report or a user interface."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.errors import InvalidFrame
from cardfraud.evaluation.inputs import labels_and_scores
from cardfraud.evaluation.result import Result

MAX_POINTS = 500
"""No curve has more points than this, whatever the number of rows."""


class Curve(Result):
    """Points of a curve, in the order of falling thresholds.

    ROC: x is the false positive rate, y the true positive rate. Precision-recall: x is recall,
    y is precision. ``threshold`` is the lowest score that counts as flagged at the point.
    """

    kind: Literal["roc", "precision_recall"]
    x: tuple[float, ...]
    y: tuple[float, ...]
    threshold: tuple[float, ...]


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> Curve:
    """Return the ROC curve, from the first flagged row to all rows flagged.

    Raises:
        InvalidFrame: the rows hold one class only.
    """
    tp, flagged, threshold = _counts(labels, scores)
    positives, rows = tp[-1], flagged[-1]
    keep = _thin(len(tp))
    return Curve(
        kind="roc",
        x=_floats(((flagged - tp) / (rows - positives))[keep]),
        y=_floats((tp / positives)[keep]),
        threshold=_floats(threshold[keep]),
    )


def precision_recall_curve(labels: ArrayLike, scores: ArrayLike) -> Curve:
    """Return the precision-recall curve, from the first flagged row to all rows flagged.

    Raises:
        InvalidFrame: the rows hold one class only.
    """
    tp, flagged, threshold = _counts(labels, scores)
    keep = _thin(len(tp))
    return Curve(
        kind="precision_recall",
        x=_floats((tp / tp[-1])[keep]),
        y=_floats((tp / flagged)[keep]),
        threshold=_floats(threshold[keep]),
    )


def _counts(
    labels: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """True positives and flagged rows at each distinct score, highest score first."""
    y, s = labels_and_scores(labels, scores)
    if y.all() or not y.any():
        raise InvalidFrame("labels", "a curve needs rows of both classes")
    order = np.argsort(-s, kind="stable")
    ranked = s[order]
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    return np.cumsum(y[order], dtype=np.int64)[ends], ends + 1, ranked[ends]


def _thin(length: int) -> NDArray[np.int64]:
    """Positions to keep: all, or some that lie denser at the start, where few rows are flagged."""
    if length <= MAX_POINTS:
        return np.arange(length)
    return np.unique(np.geomspace(1, length, MAX_POINTS).astype(np.int64)) - 1


def _floats(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(values.tolist())
