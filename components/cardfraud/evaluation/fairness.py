"""Whether good customers of one segment are stopped more often than those of another.

The metric is the *false positive rate difference*: the largest minus the smallest share of
legitimate transactions that thresholds and active rules stop, over the segments that are compared.
Two rules keep noise out without letting an unfair model through:

* A segment is compared when it has enough legitimate rows that a rate as high as the limit would
  show as :data:`EXPECTED_ALERTS` false alerts. A smaller one is compared too when its own rate is
  beyond chance; otherwise it is named as not compared, and all such segments together are compared
  as one: what is done to sixty villages is not hidden by their being small.
* A difference counts as beyond chance by a permutation test: segments are dealt out anew among the
  cards, and the largest standardised deviation of any segment is compared with the largest one of
  each deal, which allows for having looked at many segments (Westfall and Young, 1993).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import GateLimits
from cardfraud.evaluation.held_out import HeldOut, Scored
from cardfraud.evaluation.intervals import Interval, percentile_interval
from cardfraud.evaluation.measures import ratio
from cardfraud.evaluation.resampling import Floats, Groups, bootstrap, grouped
from cardfraud.evaluation.result import Result

if TYPE_CHECKING:
    from fairlearn.metrics import MetricFrame

EXPECTED_ALERTS: Final = 5
POOLED: Final = "small segments together"
MIN_FRAUDS: Final = 20
"""Segments with fewer frauds are left out of the difference of recalls."""


class SegmentRate(Result):
    """The false positive rate of one segment."""

    segment: str
    legitimate: int
    false_alerts: int
    false_positive_rate: Interval | None
    p_value: float
    """How often chance alone gives any segment a deviation as large as this one's."""
    compared: bool


class Fairness(Result):
    """What was found between segments; the differences are None below two that are compared."""

    min_legitimate: int
    """Legitimate rows from which a segment is compared in any case."""
    segments: tuple[SegmentRate, ...]
    difference: Interval | None
    ratio: float | None
    """Smallest over largest false positive rate of the compared segments."""
    recall_difference: float | None
    p_value: float
    """The smallest of the segments'."""

    @property
    def not_compared(self) -> tuple[str, ...]:
        """Names of the segments with too little evidence."""
        return tuple(each.segment for each in self.segments if not each.compared)


@dataclass(frozen=True, slots=True)
class _Legitimate:
    """Legitimate rows that have a segment; a unit is a card within a segment."""

    names: tuple[str, ...]
    segment: NDArray[np.int64]  # [N]
    flagged: NDArray[np.bool_]  # [N]
    units: Groups
    unit_segment: NDArray[np.int64]  # [units]


def assess_fairness(
    rows: HeldOut, scored: Scored, *, limits: GateLimits, seed: int, declined: bool = False
) -> Fairness | None:
    """Compare the segments of the held-out rows; None where no legitimate row has a segment.

    Args:
        rows: the held-out rows; those without a segment are left out.
        scored: scores, and the thresholds and rules that stop transactions.
        limits: the limit of the difference, the number of draws and the level.
        seed: seed of the bootstrap and of the permutations.
        declined: whether to compare what is declined alone, in place of all that is stopped.
    """
    actions = scored.actions(rows)
    flagged = actions.declined if declined else actions.stopped
    found = _assess(rows, flagged, limits, seed)
    if found is None or rows.segments is None or len(found.not_compared) < 2:
        return found
    small = np.isin(rows.segments.astype(np.str_), found.not_compared)
    pooled = replace(rows, segments=np.where(small, POOLED, rows.segments))
    together = _assess(pooled, flagged, limits, seed)
    if together is None or POOLED in together.not_compared:
        return found
    added = [each for each in together.segments if each.segment == POOLED]
    return together.model_copy(update={"segments": (*found.segments, *added)})


def _assess(
    rows: HeldOut, flagged: NDArray[np.bool_], limits: GateLimits, seed: int
) -> Fairness | None:
    if rows.segments is None:
        return None
    known = np.array([name is not None for name in rows.segments], dtype=np.bool_)
    good = known & ~rows.labels
    if not good.any():
        return None
    legitimate = _legitimate(rows, good, flagged)
    least = ceil(EXPECTED_ALERTS / limits.max_segment_gap) if limits.max_segment_gap else 1
    p_values = _p_values(legitimate, limits.bootstrap_samples, seed)
    counts = np.bincount(legitimate.segment)
    compared = (counts >= least) | (p_values <= 1 - limits.confidence)
    intervals = _intervals(legitimate, compared, limits, seed)
    names = np.array(legitimate.names)[compared]
    rates = _rates("false_positive_rate", rows, flagged, good, names)
    recalls = _rates("true_positive_rate", rows, flagged, known & rows.labels, None)
    return Fairness(
        min_legitimate=least,
        segments=tuple(
            SegmentRate(
                segment=name,
                legitimate=int(counts[i]),
                false_alerts=int(legitimate.flagged[legitimate.segment == i].sum()),
                false_positive_rate=intervals[str(i)],
                p_value=float(p_values[i]),
                compared=bool(compared[i]),
            )
            for i, name in enumerate(legitimate.names)
        ),
        difference=intervals.get("difference"),
        ratio=_finite(rates.ratio(method="between_groups")) if rates else None,
        recall_difference=_finite(recalls.difference(method="between_groups")) if recalls else None,
        p_value=float(p_values.min()),
    )


def _legitimate(rows: HeldOut, good: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> _Legitimate:
    assert rows.segments is not None  # noqa: S101
    names, segment = np.unique(rows.segments[good].astype(np.str_), return_inverse=True)
    _, card = np.unique(rows.cards[good], return_inverse=True)
    units = grouped(card.astype(np.int64) * len(names) + segment, len(segment))
    unit_segment = np.zeros(units.size, dtype=np.int64)
    unit_segment[units.index] = segment
    return _Legitimate(
        tuple(names.tolist()), segment.astype(np.int64), flagged[good], units, unit_segment
    )


def _p_values(given: _Legitimate, deals: int, seed: int) -> Floats:
    """Adjusted p-value of each segment, ``[segments]``."""
    rows, alerts = given.units.sums(np.ones(len(given.segment)), given.flagged)
    share, size = alerts.sum() / rows.sum(), len(given.names)

    def deviations(segment: NDArray[np.int64]) -> Floats:
        count = np.bincount(segment, weights=rows, minlength=size)
        found = np.bincount(segment, weights=alerts, minlength=size)
        return np.abs(ratio(found - count * share, np.sqrt(count * share * (1 - share)),
                            otherwise=0.0))  # fmt: skip

    random = np.random.default_rng(seed)
    largest = np.array(
        [deviations(random.permutation(given.unit_segment)).max() for _ in range(deals)]
    )
    observed = deviations(given.unit_segment)
    # A hair below, so that rounding does not make an equal deviation a smaller one.
    reached = (largest[:, None] >= observed * (1 - 1e-12)).sum(axis=0)
    p_values: Floats = (1 + reached) / (1 + deals)
    return p_values


def _intervals(
    given: _Legitimate, compared: NDArray[np.bool_], limits: GateLimits, seed: int
) -> dict[str, Interval | None]:
    """Rate of each segment, by its number, and ``difference`` of those that are compared."""
    from scipy.sparse import csr_array

    size = len(given.names)
    rows, alerts = given.units.sums(np.ones(len(given.segment)), given.flagged)
    member = np.arange(size)[:, None] == given.unit_segment
    alerted, legitimate = csr_array(member * alerts), csr_array(member * rows)

    def measure(times: Floats) -> dict[str, Floats]:
        rates = ratio(alerted @ times, legitimate @ times)
        figures = {str(i): rate for i, rate in enumerate(rates)}
        if compared.sum() > 1:
            figures["difference"] = rates[compared].max(axis=0) - rates[compared].min(axis=0)
        return figures

    drawn = bootstrap(measure, given.units, resamples=limits.bootstrap_samples, seed=seed)
    return {name: percentile_interval(each, limits.confidence) for name, each in drawn.items()}


def _rates(
    metric: Literal["false_positive_rate", "true_positive_rate"],
    rows: HeldOut,
    flagged: NDArray[np.bool_],
    chosen: NDArray[np.bool_],
    names: NDArray[np.str_] | None,
) -> MetricFrame | None:
    """Fairlearn's rate of each named segment over the chosen rows; None below two segments.

    Without names, every segment counts that has at least :data:`MIN_FRAUDS` of the rows.
    """
    from fairlearn import metrics

    assert rows.segments is not None  # noqa: S101
    segment = np.where(chosen, rows.segments, "").astype(np.str_)
    if names is None:
        found, counts = np.unique(segment[chosen], return_counts=True)
        names = found[counts >= MIN_FRAUDS]
    chosen = chosen & np.isin(segment, names)
    if len(names) < 2:
        return None
    return metrics.MetricFrame(
        metrics=getattr(metrics, metric),
        y_true=rows.labels[chosen],
        y_pred=flagged[chosen],
        sensitive_features=segment[chosen],
    )


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
