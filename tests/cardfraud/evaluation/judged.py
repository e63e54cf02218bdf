"""Held-out rows of known skill, and what the gate says of them."""

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import (
    CostMatrix,
    GateLimits,
    Policy,
    Rule,
    Thresholds,
)
from cardfraud.evaluation.check import Check
from cardfraud.evaluation.gate import GateVerdict, judge
from cardfraud.evaluation.held_out import HeldOut, Scored
from cardfraud.evaluation.intervals import Interval

ROWS = 4_000
LIMITS = GateLimits(min_average_precision=0.3, bootstrap_samples=200)
Floats = NDArray[np.float64]


def scorer(labels: NDArray[np.bool_], skill: float, seed: int = 1) -> Floats:
    """Calibrated probabilities from a normal margin that lies ``skill`` higher for frauds."""
    x = np.random.default_rng(seed).normal(size=len(labels)) + skill * labels
    odds = 0.05 / 0.95 * np.exp(skill * x - skill**2 / 2)
    return odds / (1 + odds)


def judged(
    labels: NDArray[np.bool_],
    candidate: Floats,
    *,
    champion: Floats | None = None,
    review: float = 0.3,
    decline: float = 1.0,
    champion_review: float = 0.3,
    champion_has_policy: bool = True,
    champion_costs: CostMatrix | None = None,
    champion_limits: GateLimits | None = None,
    limits: GateLimits = LIMITS,
    segments: NDArray[np.object_] | None = None,
    cards: NDArray[np.int64] | None = None,
    costs: CostMatrix | None = None,
    latency_p99_ms: float | None = None,
    rules: tuple[Rule, ...] = (),
    champion_rules: tuple[Rule, ...] = (),
    allow_looser_limits: bool = True,
) -> GateVerdict:
    """Let the gate judge a candidate; what is not said is usual, and each row is its own card."""
    count = len(labels)
    rows = HeldOut(
        labels=labels,
        amounts=np.full(count, 20.0),
        days=np.arange(count) * 7 // count,
        cards=np.char.add("c", (np.arange(count) if cards is None else cards).astype(np.str_)),
        segments=segments,
        features=np.zeros((count, 0), dtype=np.float32),
    )
    policy = Policy(
        thresholds=Thresholds(review=review, decline=decline),
        gate=limits,
        costs=costs or CostMatrix(),
        rules=rules,
    )
    own = Policy(
        thresholds=Thresholds(review=champion_review, decline=1.0),
        gate=champion_limits or GateLimits(),
        costs=champion_costs or policy.costs,
        rules=champion_rules,
    )
    return judge(
        rows,
        candidate.astype(np.float32),
        policy,
        champion=None
        if champion is None
        else Scored(champion.astype(np.float32), own.thresholds, own.rules),
        champion_policy=own if champion_has_policy and champion is not None else None,
        latency_p99_ms=latency_p99_ms,
        allow_looser_limits=allow_looser_limits,
    )


def check_of(verdict: GateVerdict, name: str) -> Check:
    """Return the check of that name."""
    (found,) = [check for check in verdict.checks if check.name == name]
    return found


def failed(verdict: GateVerdict) -> set[str]:
    """Names of the checks that did not pass."""
    return {check.name for check in verdict.checks if not check.passed}


def gap_of(verdict: GateVerdict) -> Interval:
    """By how much the candidate's average precision differs from the champion's."""
    difference = verdict.comparison.difference
    assert difference is not None
    assert difference.average_precision is not None
    return difference.average_precision
