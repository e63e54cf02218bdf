"""The policy applied: thresholds, then rules, then what holds while features are degraded."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from cardfraud.contracts.policy import Decision, Policy, Rule
from cardfraud.errors import InvalidSetting

_SEVERITY: Final = {Decision.APPROVE: 0, Decision.REVIEW: 1, Decision.DECLINE: 2}
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision and one sentence for each thing that made it stricter than approve."""

    decision: Decision
    reasons: tuple[str, ...]


def check_rules(policy: Policy, fields: Collection[str]) -> None:
    """Make sure that every rule can be evaluated; a server does this before it serves.

    Args:
        policy: whose rules.
        fields: names of the values that a request has.

    Raises:
        InvalidSetting: a rule reads a value that no request has.
    """
    for rule in policy.rules:
        if rule.field not in fields:
            raise InvalidSetting(
                f"policy rule {rule.name}", f"there is no value named {rule.field[:80]!r}"
            )


def decide(
    policy: Policy, probability: float | None, values: Mapping[str, float], *, degraded: bool
) -> Verdict:
    """Turn a probability into a decision.

    Rules and degraded features make a decision stricter, never milder. A rule over a value that
    is missing (NaN) does not fire.

    Args:
        policy: thresholds, rules, and the mildest decision while degraded.
        probability: of fraud; None when the model could not be asked, which counts as degraded.
        values: the request's feature values by name, NaN where there is none.
        degraded: whether the features are.
    """
    decision, reasons = _by_threshold(policy, probability)
    if degraded or probability is None:
        decision = _stricter(decision, policy.when_degraded)
        reasons.append(
            "the model could not be asked"
            if probability is None
            else "the features, or the event itself, are too old to rest on"
        )
    for rule in policy.rules:
        if _fires(rule, values):
            decision = _stricter(decision, rule.decision)
            reasons.append(f"{rule.name}: {rule.reason}")
    return Verdict(decision, tuple(reasons))


def _by_threshold(policy: Policy, probability: float | None) -> tuple[Decision, list[str]]:
    thresholds = policy.thresholds
    if probability is None:
        return Decision.APPROVE, []
    if probability >= thresholds.decline:
        return Decision.DECLINE, [f"probability at or above {thresholds.decline:g}"]
    if probability >= thresholds.review:
        return Decision.REVIEW, [f"probability at or above {thresholds.review:g}"]
    return Decision.APPROVE, []


def _stricter(one: Decision, other: Decision) -> Decision:
    return max(one, other, key=_SEVERITY.__getitem__)


def _fires(rule: Rule, values: Mapping[str, float]) -> bool:
    return _COMPARE[rule.op](values[rule.field], rule.value)
