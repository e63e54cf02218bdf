"""The same metrics for each segment of users."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.evaluation.classification import auc_roc, average_precision
from cardfraud.evaluation.inputs import column, labels_and_scores
from cardfraud.evaluation.result import Result


class SegmentMetrics(Result):
    """One segment at one threshold; a rate or figure without rows to rest on is None."""

    segment: str
    rows: int
    positives: int
    false_positive_rate: float | None
    recall: float | None
    auc_roc: float | None
    average_precision: float | None


def segment_metrics(
    labels: ArrayLike, scores: ArrayLike, segments: ArrayLike, *, threshold: float
) -> tuple[SegmentMetrics, ...]:
    """Measure each segment, in the order of their names; rows without a segment are left out.

    Args:
        labels: ``[N]``, true or 1 is fraud.
        scores: ``[N]``, a higher score is a stronger suspicion.
        segments: ``[N]`` names; None is no segment.
        threshold: a row is flagged when its score is at least this.

    Raises:
        InvalidFrame: the arrays do not fit together.
    """
    y, s = labels_and_scores(labels, scores)
    name = column("segments", np.asarray(segments, dtype=object), len(y))
    known = np.array([value is not None for value in name], dtype=np.bool_)
    names = sorted({str(value) for value in name[known]})
    return tuple(_one(each, y[name == each], s[name == each], threshold) for each in names)


def _one(
    segment: str, y: NDArray[np.bool_], s: NDArray[np.float64], threshold: float
) -> SegmentMetrics:
    flagged = s >= threshold
    positives = int(y.sum())
    return SegmentMetrics(
        segment=segment,
        rows=len(y),
        positives=positives,
        false_positive_rate=float(flagged[~y].mean()) if positives < len(y) else None,
        recall=float(flagged[y].mean()) if positives else None,
        auc_roc=auc_roc(y, s),
        average_precision=average_precision(y, s),
    )
