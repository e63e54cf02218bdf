"""Tables of what policies do."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from cardfraud.contracts.policy import Policy
from cardfraud.evaluation.rules import Backtest, Outcome


def outcome_table(title: str, outcomes: Mapping[str, Outcome], frauds: int) -> Table:
    """One line for each way to decide."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for head in ("reviewed", "declined", "frauds caught", "good stopped", "cards a day", "cost"):
        table.add_column(head, justify="right")
    for name, one in outcomes.items():
        table.add_row(
            name,
            f"{one.reviewed:,}",
            f"{one.declined:,}",
            f"{one.frauds_caught:,} of {frauds:,}",
            f"{one.false_positives:,}",
            f"{one.cards_per_day:,.1f}",
            f"{one.cost:,.2f}",
        )
    return table


def backtest_outcomes(result: Backtest) -> dict[str, Outcome]:
    """The ways to decide that differ: the line of shadow rules only where there are some."""
    outcomes = {"thresholds alone": result.model_alone, "with rules": result.with_rules}
    if any(rule.mode == "shadow" for rule in result.rules):
        outcomes["if shadow rules had a say"] = result.with_shadow
    return outcomes


def rule_table(result: Backtest) -> Table:
    """One line for each rule."""
    table = Table(
        title="Each rule by itself, beside the thresholds",
        title_justify="left",
        caption="new: what the thresholds let pass; only: no other active rule catches it either",
        caption_justify="left",
    )
    table.add_column("rule")
    table.add_column("mode")
    heads = (
        "fires",
        "frauds",
        "new",
        "their amount",
        "only",
        "good stopped",
        "cards a day",
        "cost",
    )
    for head in heads:
        table.add_column(head, justify="right")
    for rule in result.rules:
        table.add_row(
            rule.name,
            rule.mode,
            f"{rule.fires:,}",
            f"{rule.frauds:,}",
            f"{rule.marginal_frauds:,}",
            f"{rule.marginal_amount:,.2f}",
            f"{rule.only_frauds:,}",
            f"{rule.false_positives_added:,}",
            f"{rule.cards_added_per_day:+,.1f}",
            f"{rule.cost_change:+,.2f}",
        )
    return table


def settings_table(before: Policy, after: Policy) -> Table:
    """What a proposal changes: the settings that decide, side by side."""
    table = Table(title="The policy", title_justify="left")
    table.add_column("")
    table.add_column("in use", justify="right")
    table.add_column("proposed", justify="right")
    for name, old, new in (
        ("review from", before.thresholds.review, after.thresholds.review),
        ("decline from", before.thresholds.decline, after.thresholds.decline),
        ("frauds among what is declined", before.decline_precision, after.decline_precision),
        ("alert budget, cards a day", before.alert_budget_per_day, after.alert_budget_per_day),
        ("cost of a review", before.costs.review, after.costs.review),
        ("cost of a false decline", before.costs.false_decline, after.costs.false_decline),
        ("lost of a missed fraud", before.costs.missed_fraud_share, after.costs.missed_fraud_share),
    ):
        table.add_row(name, *("not recorded" if v is None else f"{v:.6g}" for v in (old, new)))
    return table
