"""The gate: may this candidate be published? A pure function with a sentence for every check."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.contracts.policy import GateLimits
from cardfraud.evaluation.calibration import expected_calibration_error
from cardfraud.evaluation.classification import average_precision
from cardfraud.evaluation.inputs import labels_and_scores
from cardfraud.evaluation.intervals import PairedIntervals, paired_intervals
from cardfraud.evaluation.result import Result
from cardfraud.evaluation.segments import MIN_LEGITIMATE, false_positive_gap, segment_metrics

FAIRNESS_NOT_ASSESSED = "fairness: not assessed"


class Check(Result):
    """One limit and what was found; ``value`` is None where nothing could be measured."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    sentence: str


class GateVerdict(Result):
    """All checks of the gate; a candidate passes when every one of them does."""

    passed: bool
    checks: tuple[Check, ...]
    comparison: PairedIntervals | None
    """Candidate and champion on the same rows; None for a first model or without any fraud."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each check that failed."""
        return tuple(check.sentence for check in self.checks if not check.passed)


def judge(
    labels: ArrayLike,
    candidate: ArrayLike,
    *,
    limits: GateLimits,
    review_threshold: float,
    champion: ArrayLike | None = None,
    cards: ArrayLike | None = None,
    segments: ArrayLike | None = None,
    latency_p99_ms: float | None = None,
    seed: int = 0,
) -> GateVerdict:
    """Judge a candidate on held-out rows.

    Args:
        labels: ``[N]``, true or 1 is fraud.
        candidate: ``[N]`` probabilities of the candidate.
        limits: the policy's limits.
        review_threshold: the policy's threshold, at which segments are compared.
        champion: ``[N]`` probabilities of the champion on the same rows; None for a first model.
        cards: ``[N]`` identifiers of cards, drawn as a whole by the bootstrap.
        segments: ``[N]`` names of segments, None where there is none; None for data without.
        latency_p99_ms: measured time to score one transaction; None where it was not measured.
        seed: seed of the bootstrap.

    Raises:
        InvalidFrame: the arrays do not fit together, or a probability lies outside 0 to 1.
    """
    y, p = labels_and_scores(labels, candidate)
    comparison = None
    if champion is not None and y.any():
        comparison = paired_intervals(
            y,
            p,
            champion,
            groups=cards,
            resamples=limits.bootstrap_samples,
            level=limits.confidence,
            seed=seed,
        )
    checks = (
        _positives(y, limits),
        _distinct(p, limits),
        *_average_precision(y, p, limits),
        _champion(comparison, limits, first=champion is None),
        _calibration(y, p, limits),
        _fairness(y, p, segments, review_threshold, limits),
        _latency(latency_p99_ms, limits),
    )
    return GateVerdict(
        passed=all(check.passed for check in checks), checks=checks, comparison=comparison
    )


def _positives(y: NDArray[np.bool_], limits: GateLimits) -> Check:
    found, limit = int(y.sum()), limits.min_positives
    return Check(
        name="positives",
        passed=found >= limit,
        value=found,
        limit=limit,
        sentence=f"The held-out rows hold {found} frauds; at least {limit} are needed.",
    )


def _distinct(p: NDArray[np.float64], limits: GateLimits) -> Check:
    found, limit = len(np.unique(p)), limits.min_distinct_scores
    return Check(
        name="distinct_scores",
        passed=found >= limit,
        value=found,
        limit=limit,
        sentence=(
            f"The candidate gives {found:,} distinct scores over {len(p):,} rows; "
            f"a scorer with fewer than {limit} is constant for all purposes."
        ),
    )


def _average_precision(
    y: NDArray[np.bool_], p: NDArray[np.float64], limits: GateLimits
) -> tuple[Check, Check]:
    value = average_precision(y, p)
    found = "cannot be measured without frauds" if value is None else f"is {value:.4f}"
    low, high = limits.min_average_precision, limits.max_average_precision
    return (
        Check(
            name="average_precision",
            passed=value is not None and value >= low,
            value=value,
            limit=low,
            sentence=f"Average precision {found}; at least {low} is needed.",
        ),
        Check(
            name="too_good",
            passed=value is not None and value <= high,
            value=value,
            limit=high,
            sentence=(
                f"Average precision {found}; above {high} a leak of the label into the features "
                "is likelier than such a model."
            ),
        ),
    )


def _champion(comparison: PairedIntervals | None, limits: GateLimits, *, first: bool) -> Check:
    limit = -limits.max_average_precision_drop
    if comparison is None:
        why = (
            "There is no champion yet."
            if first
            else "Candidate and champion cannot be compared without frauds."
        )
        return Check(name="champion", passed=first, value=None, limit=limit, sentence=why)
    gap = comparison.difference
    return Check(
        name="champion",
        passed=gap.low >= limit,
        value=gap.low,
        limit=limit,
        sentence=(
            f"Against the champion average precision changes by {gap.estimate:+.4f} "
            f"({gap.level:.0%} interval {gap.low:+.4f} to {gap.high:+.4f}); "
            f"the interval may not reach below {limit:+.4f}."
        ),
    )


def _calibration(y: NDArray[np.bool_], p: NDArray[np.float64], limits: GateLimits) -> Check:
    value, limit = expected_calibration_error(y, p), limits.max_calibration_error
    return Check(
        name="calibration",
        passed=value <= limit,
        value=value,
        limit=limit,
        sentence=(
            f"Probabilities differ from observed shares by {value:.4f} on average; "
            f"at most {limit} is allowed."
        ),
    )


def _fairness(
    y: NDArray[np.bool_],
    p: NDArray[np.float64],
    segments: ArrayLike | None,
    threshold: float,
    limits: GateLimits,
) -> Check:
    table = () if segments is None else segment_metrics(y, p, segments, threshold=threshold)
    gap, limit = false_positive_gap(table), limits.max_segment_gap
    if gap is None:
        return Check(
            name="fairness",
            passed=limits.allow_unassessed_fairness,
            value=None,
            limit=limit,
            sentence=(
                f"{FAIRNESS_NOT_ASSESSED}: fewer than two segments have "
                f"{MIN_LEGITIMATE} legitimate rows."
            ),
        )
    return Check(
        name="fairness",
        passed=gap <= limit,
        value=gap,
        limit=limit,
        sentence=(
            f"At the review threshold the false positive rates of segments differ by {gap:.4f}; "
            f"at most {limit} is allowed."
        ),
    )


def _latency(measured: float | None, limits: GateLimits) -> Check:
    limit = limits.max_latency_p99_ms
    if measured is None:
        return Check(
            name="latency",
            passed=True,
            value=None,
            limit=limit,
            sentence="Latency was not measured in this evaluation.",
        )
    return Check(
        name="latency",
        passed=measured <= limit,
        value=measured,
        limit=limit,
        sentence=(
            f"Scoring one transaction takes {measured:.2f} ms at the 99th percentile; "
            f"at most {limit} ms is allowed."
        ),
    )
