"""The gate's check of what decisions cost."""

from __future__ import annotations

from cardfraud.contracts.policy import GateLimits, Policy
from cardfraud.evaluation.check import Check
from cardfraud.evaluation.comparison import Comparison, PricedChange


def check_cost(comparison: Comparison, champion: Policy | None, limits: GateLimits) -> Check:
    """Judge the cost of the candidate's decisions, by its own costs and by the champion's.

    Args:
        comparison: of both, priced by both cost matrices where they differ.
        champion: the policy by which the champion decides; None where it has none.
        limits: how much dearer the candidate may be.
    """
    if comparison.champion is None:
        return _first(comparison)
    if champion is None:
        return _check(
            passed=False,
            value=None,
            limit=limits.max_cost_increase,
            sentence="The champion has no policy, so that nobody knows what its decisions cost: "
            "let the alias that names it name its policy, too.",
        )
    limit, own, other = limits.max_cost_increase, comparison.cost, comparison.champion_cost
    priced = [each for each in (own, other) if each is not None]
    highs = [each.change.high for each in priced if each.change is not None]
    said = [_said(own, "the candidate's costs")] if own is not None else []
    said += [_said(other, "the champion's costs")] if other is not None else []
    return _check(
        passed=all(_holds(each, limit) for each in priced),
        value=max(highs, default=None),
        limit=limit,
        sentence=f"{' '.join(said)} No interval may reach above {limit:+.1%}. Each decides by its "
        f"thresholds and active rules, the champion by those of its policy {champion.digest}.",
    )


def _first(comparison: Comparison) -> Check:
    """A first model has to be worth more than no model at all.

    The saving itself decides, not its interval's lower end: what it is compared with needs no
    proof, and of a short period the interval is wide.
    """
    saving = comparison.saving_per_thousand
    found = (
        "what they save cannot be measured"
        if saving is None
        else f"against the cheaper of both they save {saving.estimate:,.2f} per 1,000 transactions "
        f"({saving.level:.0%} interval {saving.low:,.2f} to {saving.high:,.2f}), which must be "
        "more than 0"
    )
    return _check(
        passed=saving is not None and saving.estimate > 0,
        value=None if saving is None else saving.estimate,
        limit=0.0,
        sentence="Without a champion the decisions must cost less than stopping nothing and less "
        f"than reviewing everything: {found}.",
    )


def _holds(priced: PricedChange, limit: float) -> bool:
    if priced.change is None:
        return priced.candidate is not None and priced.candidate.estimate == 0
    return priced.change.high <= limit


def _said(priced: PricedChange, costs: str) -> str:
    change = priced.change
    if change is None:
        # The champion's decisions cost nothing: the candidate's may not cost anything either.
        free = _holds(priced, 0.0)
        return (
            f"By {costs} the champion's decisions cost nothing, the candidate's "
            f"{'nothing either' if free else 'something'}."
        )
    return (
        f"By {costs} the decisions' cost changes by {change.estimate:+.1%} against the champion "
        f"({change.level:.0%} interval {change.low:+.1%} to {change.high:+.1%})."
    )


def _check(*, passed: bool, value: float | None, limit: float, sentence: str) -> Check:
    return Check(name="cost", passed=passed, value=value, limit=limit, sentence=sentence)
