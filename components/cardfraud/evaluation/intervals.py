"""Bootstrap intervals, paired where two scorers are compared on the same rows."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud.evaluation.inputs import column, labels_and_scores
from cardfraud.evaluation.result import Result

_CHUNK_CELLS = 4_000_000


class Interval(Result):
    """A figure with its percentile bootstrap interval."""

    estimate: float
    low: float
    high: float
    level: float
    resamples: int


class PairedIntervals(Result):
    """Average precision of two scorers on the same rows, and of their difference."""

    candidate: Interval
    champion: Interval
    difference: Interval
    """Candidate minus champion, each resample drawn once for both."""


def average_precision_interval(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    resamples: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return average precision with its bootstrap interval; see :func:`paired_intervals`."""
    y, s = labels_and_scores(labels, scores)
    draws = _resampled(y, [s], _group_index(groups, len(y)), resamples, seed)
    return _interval(_weighted_ap(y, s, np.ones((1, len(y))))[0], draws[0], level)


def paired_intervals(
    labels: ArrayLike,
    candidate: ArrayLike,
    champion: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    resamples: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> PairedIntervals:
    """Compare two scorers by average precision with a paired bootstrap.

    Args:
        labels: ``[N]``, true or 1 is fraud; both classes must occur.
        candidate: ``[N]`` scores of the candidate.
        champion: ``[N]`` scores of the champion on the same rows.
        groups: ``[N]`` identifiers of what is drawn as a whole, such as cards, whose transactions
            are not independent of each other; None draws single rows.
        resamples: how many resamples are drawn.
        level: share of the resamples that the interval covers.
        seed: seed of the draws; the same seed gives the same interval.

    Raises:
        InvalidFrame: the arrays do not fit together, or the labels hold no fraud.
        InvalidSetting: ``resamples`` or ``level`` is out of range.
    """
    y, s1 = labels_and_scores(labels, candidate)
    _, s2 = labels_and_scores(labels, champion)
    draws = _resampled(y, [s1, s2], _group_index(groups, len(y)), resamples, seed)
    once = np.ones((1, len(y)))
    ap1, ap2 = _weighted_ap(y, s1, once)[0], _weighted_ap(y, s2, once)[0]
    return PairedIntervals(
        candidate=_interval(ap1, draws[0], level),
        champion=_interval(ap2, draws[1], level),
        difference=_interval(ap1 - ap2, draws[0] - draws[1], level),
    )


def _group_index(groups: ArrayLike | None, rows: int) -> NDArray[np.int64]:
    if groups is None:
        return np.arange(rows)
    index: NDArray[np.int64]
    _, index = np.unique(column("groups", groups, rows), return_inverse=True)
    return index


def _resampled(
    labels: NDArray[np.bool_],
    scorers: list[NDArray[np.float64]],
    group: NDArray[np.int64],
    resamples: int,
    seed: int,
) -> NDArray[np.float64]:
    """Average precision of each scorer over each resample, ``[scorers, resamples]``."""
    if resamples < 1:
        raise InvalidSetting("resamples", f"must be at least 1, got {resamples}")
    if not labels.any():
        raise InvalidFrame("labels", "average precision needs at least one fraud")
    rng = np.random.default_rng(seed)
    size = int(group.max()) + 1
    step = max(1, _CHUNK_CELLS // len(labels))
    parts = []
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = rng.integers(size, size=(count, size)) + np.arange(count)[:, None] * size
        times = np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size)
        weights = times[:, group].astype(np.float64)
        parts.append([_weighted_ap(labels, scores, weights) for scores in scorers])
    return np.concatenate([np.asarray(part) for part in parts], axis=1)


def _weighted_ap(
    labels: NDArray[np.bool_], scores: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Average precision for each row of ``weights`` ``[B, N]``; 0 where no fraud was drawn."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    ranked = weights[:, order]
    flagged = np.cumsum(ranked, axis=1)[:, ends]
    caught = np.cumsum(ranked * labels[order], axis=1)[:, ends]
    gained = np.diff(caught, axis=1, prepend=0.0)
    precision = np.divide(caught, flagged, out=np.zeros_like(caught), where=flagged > 0)
    positives = caught[:, -1]
    result: NDArray[np.float64] = np.divide(
        (precision * gained).sum(axis=1),
        positives,
        out=np.zeros_like(positives),
        where=positives > 0,
    )
    return result


def _interval(estimate: float, draws: NDArray[np.float64], level: float) -> Interval:
    if not 0 < level < 1:
        raise InvalidSetting("level", f"must lie between 0 and 1, got {level}")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        estimate=float(estimate),
        low=float(low),
        high=float(high),
        level=level,
        resamples=len(draws),
    )
