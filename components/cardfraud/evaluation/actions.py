"""What a policy does with many rows at once: thresholds and active rules, as the servers decide.

:func:`cardfraud.scoring.decision.decide` does the same for one row, with its reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Decision, Rule, Thresholds

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]

_COMPARE: Final[Mapping[str, Callable[[NDArray[np.float32], np.float32], Any]]] = {
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
}


@dataclass(frozen=True, slots=True)
class Actions:
    """What happens to each row, ``[N]``: ``stopped`` is reviewed or declined."""

    stopped: Bool
    declined: Bool

    def stricter(self, rule: Rule, fires: Bool) -> Actions:
        """Return the same with a rule that has a say where it fires, ``[N]``."""
        declined = self.declined | fires if rule.decision is Decision.DECLINE else self.declined
        return Actions(self.stopped | fires, declined)


def act(
    scores: NDArray[np.floating[Any]],
    thresholds: Thresholds,
    rules: Sequence[Rule] = (),
    values: Mapping[str, Float64] | None = None,
) -> Actions:
    """Decide every row; features count as healthy, and shadow rules have no say.

    Args:
        scores: ``[N]`` probabilities.
        thresholds: from which a row is reviewed and from which it is declined.
        rules: those of the policy; each can make a decision stricter only.
        values: ``[N]`` each, by the names that the active rules read; NaN where there is none.
    """
    probability = scores.astype(np.float64)  # float32 would compare with a rounded threshold
    actions = Actions(probability >= thresholds.review, probability >= thresholds.decline)
    for rule in rules:
        if rule.mode == "active":
            actions = actions.stricter(rule, firing(rule, values or {}))
    return actions


def firing(rule: Rule, values: Mapping[str, Float64]) -> Bool:
    """Return on which rows a rule fires, ``[N]``; a comparison with NaN never holds.

    Compared in 32 bits, as :func:`cardfraud.scoring.decision.fires` does.
    """
    holds = np.ones(len(values[rule.field]), dtype=np.bool_)
    for one in rule.conditions:
        with np.errstate(over="ignore"):  # a bound too large for 32 bits becomes infinite
            bound = np.float32(one.value)
        holds &= _COMPARE[one.op](values[one.field].astype(np.float32), bound)
    return holds
