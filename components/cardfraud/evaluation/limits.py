"""Whether a policy's gate limits are looser than they may be."""

from __future__ import annotations

from typing import Final

from cardfraud.contracts.policy import GateLimits
from cardfraud.evaluation.check import Check

HIGHER_IS_STRICTER: Final = (
    "min_positives",
    "min_fraud_cards",
    "min_average_precision",
    "min_distinct_scores",
)
LOWER_IS_STRICTER: Final = (
    "max_average_precision",
    "max_average_precision_drop",
    "max_cost_increase",
    "max_calibration_error",
    "max_flagged_calibration_gap",
    "max_segment_gap",
    "allow_unassessed_fairness",
    "max_latency_p99_ms",
    "allow_unmeasured_latency",
)
NEITHER: Final = ("bootstrap_samples", "confidence")
"""More of either makes one check stricter and another looser; their bounds are the schema's."""


def looser_limits(limits: GateLimits, champion: GateLimits | None) -> tuple[str, ...]:
    """Name the limits that are looser than the defaults, or than those of the champion's policy.

    The level of confidence must be the default: a higher one lets chance explain more, a lower one
    makes intervals narrower.
    """
    found = []
    for name in type(limits).model_fields:
        value = getattr(limits, name)
        for whose, others in (("the default", GateLimits()), ("the champion's", champion)):
            if others is None:
                continue
            bound = getattr(others, name)
            if (
                (name in HIGHER_IS_STRICTER and value < bound)
                or (name in LOWER_IS_STRICTER and value > bound)
                or (name == "confidence" and value != bound and whose == "the default")
            ):
                found.append(f"{name} is {value} ({whose} is {bound})")
    return tuple(found)


def check_limits(looser: tuple[str, ...], *, allowed: bool) -> Check:
    """Judge the limits themselves: a candidate brings them along."""
    if not looser:
        sentence = "No limit is looser than the default or than that of the policy in force."
    else:
        named = "allowed by allow_looser_limits" if allowed else "set allow_looser_limits to allow"
        sentence = f"LOOSER LIMITS, {named}: {'; '.join(looser)}."
    return Check(
        name="limits",
        passed=allowed or not looser,
        value=len(looser),
        limit=None if allowed else 0,
        sentence=sentence,
    )
