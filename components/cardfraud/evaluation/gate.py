"""The gate: may this candidate be published? A pure function with a sentence for every check."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import GateLimits, Policy
from cardfraud.evaluation.calibration import expected_calibration_error
from cardfraud.evaluation.check import Check
from cardfraud.evaluation.classification import average_precision
from cardfraud.evaluation.comparison import Comparison, compare
from cardfraud.evaluation.cost_check import check_cost
from cardfraud.evaluation.evidence import check_evidence
from cardfraud.evaluation.fairness import Fairness, assess_fairness
from cardfraud.evaluation.held_out import HeldOut, Scored
from cardfraud.evaluation.inputs import labels_and_scores
from cardfraud.evaluation.intervals import exact_share
from cardfraud.evaluation.limits import check_limits, looser_limits
from cardfraud.evaluation.result import Result

MIN_FLAGGED: Final = 50
"""Rows at or above the review threshold from which their calibration is judged."""
FAIRNESS_NOT_ASSESSED = "fairness: not assessed"


class GateVerdict(Result):
    """All checks of the gate; a candidate passes when every one of them does."""

    passed: bool
    checks: tuple[Check, ...]
    comparison: Comparison
    """Every figure with its interval, beside the champion on the same rows."""
    fairness: Fairness | None
    """What was found between segments; None where the rows have none."""
    fairness_at_decline: Fairness | None = None
    """The same of what is declined alone."""
    looser_limits: tuple[str, ...] = ()
    """Limits that are looser than the defaults or the champion's, in words."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each check that failed."""
        return tuple(check.sentence for check in self.checks if not check.passed)


def judge(
    rows: HeldOut,
    scores: NDArray[np.float32],
    policy: Policy,
    *,
    champion: Scored | None = None,
    champion_policy: Policy | None = None,
    latency_p99_ms: float | None = None,
    allow_looser_limits: bool = False,
    k: int = 100,
    seed: int = 0,
) -> GateVerdict:
    """Judge a candidate on held-out rows.

    Args:
        rows: the held-out rows.
        scores: ``[N]`` probabilities of the candidate.
        policy: thresholds and rules that the candidate would act by, costs, and the gate's limits;
            shadow rules have no say.
        champion: the champion on the same rows, with the thresholds and rules that it acts by;
            None for a first model.
        champion_policy: the policy that these thresholds are of, whose costs price both, too; None
            where the champion has none, so that nobody knows what its decisions cost, which fails
            the check of cost.
        latency_p99_ms: measured time to score one transaction; None where it was not measured.
        allow_looser_limits: whether limits may be looser than the defaults and the champion's.
        k: cards that can be looked at in a day, for Card Precision@k.
        seed: seed of the bootstrap and of the permutations.

    Raises:
        InvalidFrame: the arrays do not fit together, or a probability lies outside 0 to 1.
    """
    y, p = labels_and_scores(rows.labels, scores)
    limits, candidate = policy.gate, Scored(scores, policy.thresholds, policy.rules)
    comparison = compare(
        rows,
        candidate,
        champion,
        costs=policy.costs,
        champion_costs=champion_policy.costs if champion_policy else None,
        limits=limits,
        k=k,
        seed=seed,
    )
    looser = looser_limits(limits, champion_policy.gate if champion_policy else None)
    fairness = assess_fairness(rows, candidate, limits=limits, seed=seed)
    # Where segments cannot be compared, the check of what is stopped says so already.
    judged = limits.model_copy(update={"allow_unassessed_fairness": True})
    declines = assess_fairness(rows, candidate, limits=limits, seed=seed, declined=True)
    checks = (
        *check_evidence(rows, comparison, limits),
        _distinct(p, limits),
        *_average_precision(y, p, limits),
        _champion(comparison, limits),
        check_cost(comparison, champion_policy, limits),
        _calibration(y, p, limits),
        _flagged_calibration(y, p, p >= policy.thresholds.review, limits),
        _fairness("fairness", "reviewed or declined", fairness, limits),
        _fairness("fairness_at_decline", "declined", declines, judged),
        _latency(latency_p99_ms, limits),
        check_limits(looser, allowed=allow_looser_limits),
    )
    return GateVerdict(
        passed=all(check.passed for check in checks),
        checks=checks,
        comparison=comparison,
        fairness=fairness,
        fairness_at_decline=declines,
        looser_limits=looser,
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


def _champion(comparison: Comparison, limits: GateLimits) -> Check:
    limit = -limits.max_average_precision_drop
    if comparison.difference is None:
        return Check(
            name="champion",
            passed=True,
            value=None,
            limit=limit,
            sentence="There is no champion yet.",
        )
    gap = comparison.difference.average_precision
    if gap is None:
        return Check(
            name="champion",
            passed=False,
            value=None,
            limit=limit,
            sentence="Candidate and champion cannot be compared without frauds.",
        )
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


def _flagged_calibration(
    y: NDArray[np.bool_], p: NDArray[np.float64], flagged: NDArray[np.bool_], limits: GateLimits
) -> Check:
    """Judge the scores that decide; the binomial interval takes rows as independent."""
    limit, count = limits.max_flagged_calibration_gap, int(flagged.sum())
    share = exact_share(int(y[flagged].sum()), count, limits.confidence)
    if share is None or count < MIN_FLAGGED:
        return Check(
            name="flagged_calibration",
            passed=True,
            value=None,
            limit=limit,
            sentence=f"{count} rows lie at or above the review threshold; with fewer than "
            f"{MIN_FLAGGED} the calibration of those is not judged.",
        )
    mean = float(p[flagged].mean())
    gap, chance = abs(mean - share.estimate), share.low <= mean <= share.high
    return Check(
        name="flagged_calibration",
        passed=gap <= limit or chance,
        value=gap,
        limit=limit,
        sentence=(
            f"Of {count:,} rows at or above the review threshold {share.estimate:.4f} are frauds "
            f"({limits.confidence:.0%} interval {share.low:.4f} to {share.high:.4f}), their mean "
            f"probability is {mean:.4f}: a gap of {gap:.4f}, which chance "
            f"{'explains' if chance else 'does not explain'}; more than {limit} is allowed only "
            "where it does."
        ),
    )


def _fairness(name: str, what: str, found: Fairness | None, limits: GateLimits) -> Check:
    limit = limits.max_segment_gap
    if found is None or found.difference is None:
        why = (
            "the rows name no segments"
            if found is None
            else f"fewer than two segments have {found.min_legitimate:,} legitimate rows"
        )
        return Check(
            name=name,
            passed=limits.allow_unassessed_fairness,
            value=None,
            limit=limit,
            sentence=f"{FAIRNESS_NOT_ASSESSED}: {why}.",
        )
    gap, names = found.difference, found.not_compared
    chance = found.p_value > 1 - limits.confidence
    explains = "explains" if chance else "does not explain"
    left_out = f" Not compared, with too few rows: {', '.join(names)}." if names else ""
    return Check(
        name=name,
        passed=gap.estimate <= limit or chance,
        value=gap.estimate,
        limit=limit,
        sentence=(
            f"Of what is {what} the false positive rates of segments differ by "
            f"{gap.estimate:.4f} ({gap.level:.0%} interval {gap.low:.4f} to {gap.high:.4f}), "
            f"which chance {explains} (p = {found.p_value:.3f}); "
            f"more than {limit} is allowed only where chance explains it.{left_out}"
        ),
    )


def _latency(measured: float | None, limits: GateLimits) -> Check:
    limit = limits.max_latency_p99_ms
    if measured is None:
        allowed = limits.allow_unmeasured_latency
        return Check(
            name="latency",
            passed=allowed,
            value=None,
            limit=limit,
            sentence=f"Latency was not measured in this evaluation; "
            f"the policy {'allows' if allowed else 'does not allow'} that.",
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
