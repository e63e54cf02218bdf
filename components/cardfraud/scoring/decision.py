"""The policy applied: thresholds, then rules, then what holds while features are degraded."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from ctypes import c_float
from dataclasses import dataclass, replace
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
    """A decision and what led to it.

    Attributes:
        decision: what happens to the transaction.
        reasons: one sentence for each thing that made it stricter than approve, the strictest
            first.
        fired: names of the rules that fired and had a say.
        shadow: names of the rules that fired and have no say yet.
        scored: position among the reasons of the one that speaks of the score; None where the score
            alone would have approved.
    """

    decision: Decision
    reasons: tuple[str, ...] = ()
    fired: tuple[str, ...] = ()
    shadow: tuple[str, ...] = ()
    scored: int | None = None

    def explained(self, contributions: tuple[str, ...]) -> Verdict:
        """Return the same with what contributed to the score: right behind what is said of it.

        Where something else decided, it stands behind all other reasons.
        """
        place = len(self.reasons) if self.scored is None else self.scored + 1
        reasons = (*self.reasons[:place], *contributions, *self.reasons[place:])
        return replace(self, reasons=reasons)


_APPROVED: Final = Verdict(Decision.APPROVE)


def check_rules(policy: Policy, fields: Collection[str]) -> None:
    """Make sure that every rule can be evaluated; a server does this before it serves.

    Args:
        policy: whose rules.
        fields: names of the values that a request has.

    Raises:
        InvalidSetting: a rule reads a value that no request has.
    """
    for rule in policy.rules:
        for condition in rule.conditions:
            if condition.field not in fields:
                reason = f"there is no value named {condition.field[:80]!r}"
                raise InvalidSetting(f"policy rule {rule.name}", reason)


def rule_fields(policy: Policy) -> tuple[str, ...]:
    """Return the names of the values that the policy's rules read, sorted."""
    return tuple(sorted({one.field for rule in policy.rules for one in rule.conditions}))


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
    said: list[tuple[Decision, str]] = []
    scored = _by_threshold(policy, probability)
    if scored is not None:
        said.append(scored)
    if degraded or probability is None:
        what = (
            "the model could not be asked"
            if probability is None
            else "the features, or the event itself, are too old to rest on"
        )
        said.append((policy.when_degraded, what))
    firing = [rule for rule in policy.rules if fires(rule, values)]
    active = [rule for rule in firing if rule.mode == "active"]
    said += [(rule.decision, f"{rule.name}: {rule.reason}") for rule in active]
    if not said and not firing:
        return _APPROVED
    said.sort(key=_strictest_first)
    return Verdict(
        said[0][0] if said else Decision.APPROVE,
        tuple(sentence for _, sentence in said),
        fired=tuple(rule.name for rule in active),
        shadow=tuple(rule.name for rule in firing if rule.mode == "shadow"),
        scored=None if scored is None else said.index(scored),
    )


def fires(rule: Rule, values: Mapping[str, float]) -> bool:
    """Whether all conditions of a rule hold; ``cardfraud.evaluation.actions`` does many rows."""
    return all(
        _COMPARE[one.op](_single(values[one.field]), _single(one.value)) for one in rule.conditions
    )


def _single(value: float) -> float:
    """Round to 32 bits; a bound too large for them becomes infinite."""
    return c_float(value).value


def _by_threshold(policy: Policy, probability: float | None) -> tuple[Decision, str] | None:
    thresholds = policy.thresholds
    if probability is None or probability < thresholds.review:
        return None
    if probability >= thresholds.decline:
        return Decision.DECLINE, f"probability at or above {thresholds.decline:g}"
    return Decision.REVIEW, f"probability at or above {thresholds.review:g}"


def _strictest_first(said: tuple[Decision, str]) -> int:
    return -_SEVERITY[said[0]]
