"""What the rules of a policy are worth beside its model: a backtest on scored, labelled rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import CostMatrix, Decision, Policy, Rule
from cardfraud.errors import InvalidFrame
from cardfraud.evaluation.actions import Bool, Float64, firing
from cardfraud.evaluation.inputs import column, labels_and_scores
from cardfraud.evaluation.result import Result
from cardfraud.scoring.decision import check_rules

_REVIEW, _DECLINE = 1, 2
_SEVERITY: Final = {Decision.REVIEW: _REVIEW, Decision.DECLINE: _DECLINE}


class Outcome(Result):
    """What a way to decide would have done on the rows.

    ``cards_per_day`` is the daily queue: cards of which a transaction is reviewed or declined, on
    average over the days. ``cost`` is in major units of the currency, by the policy's cost matrix.
    """

    reviewed: int
    declined: int
    frauds_caught: int
    false_positives: int
    cards_per_day: float
    cost: float


class RuleOutcome(Result):
    """What one rule would have done; a shadow rule is judged as if it had a say.

    Attributes:
        name: of the rule.
        mode: active or shadow.
        fires: rows on which it fires.
        frauds: frauds among these.
        marginal_frauds: frauds among these that the model's thresholds let pass.
        marginal_amount: their amounts together, in major units of the currency.
        only_frauds: frauds among those that no other active rule catches either.
        false_positives_added: good transactions that it stops and the thresholds let pass.
        false_declines_added: good transactions that it declines and the thresholds do not.
        cost_change: cost with this rule beside the model, less the cost of the model alone.
        cards_added_per_day: cards that it adds to the daily queue of the model alone.
    """

    name: str
    mode: str
    fires: int
    frauds: int
    marginal_frauds: int
    marginal_amount: float
    only_frauds: int
    false_positives_added: int
    false_declines_added: int
    cost_change: float
    cards_added_per_day: float


class Backtest(Result):
    """A policy on rows whose labels are known."""

    rows: int
    frauds: int
    fraud_amount: float
    days: int
    model_alone: Outcome
    with_rules: Outcome
    """As the policy decides: thresholds and active rules."""
    with_shadow: Outcome
    """As it would decide if its shadow rules were active, too."""
    rules: tuple[RuleOutcome, ...]


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Rows to try a policy on, [N] each.

    Attributes:
        labels: true is fraud.
        scores: probabilities.
        amounts: in major units of the currency.
        days: integers that name the day of each row.
        cards: identifiers of the cards.
        values: feature values by name, NaN where there is none: rules do not see defaults.
    """

    labels: Bool
    scores: Float64
    amounts: Float64
    days: NDArray[np.generic]
    cards: NDArray[np.generic]
    values: Mapping[str, Float64]


def backtest(policy: Policy, rows: ScoredRows) -> Backtest:
    """Decide every row with and without the rules, and price what changes.

    The rows count as healthy: what degraded features would do is no matter of the rules.

    Args:
        policy: thresholds, rules and costs.
        rows: with labels that have settled; such as a candidate's test rows, or days replayed.

    Raises:
        InvalidFrame: the arrays do not fit together.
        InvalidSetting: a rule reads a value that the rows do not have.
    """
    check_rules(policy, rows.values)
    table = _Table.of(rows, policy.costs)
    thresholds = policy.thresholds
    model = np.where(
        table.scores >= thresholds.decline, _DECLINE, (table.scores >= thresholds.review) * _REVIEW
    )
    severity = {rule.name: _severity(rule, rows.values) for rule in policy.rules}
    active = [severity[rule.name] for rule in policy.rules if rule.mode == "active"]
    return Backtest(
        rows=len(table.labels),
        frauds=int(table.labels.sum()),
        fraud_amount=float(table.amounts[table.labels].sum()),
        days=table.days,
        model_alone=table.outcome(model),
        with_rules=table.outcome(_strictest(model, *active)),
        with_shadow=table.outcome(_strictest(model, *severity.values())),
        rules=tuple(_judge(rule, policy, model, severity, table) for rule in policy.rules),
    )


@dataclass(frozen=True, slots=True)
class _Table:
    labels: Bool
    scores: Float64
    amounts: Float64
    pairs: NDArray[np.intp]
    """Number of each row's day and card together."""
    days: int
    costs: CostMatrix

    @classmethod
    def of(cls, rows: ScoredRows, costs: CostMatrix) -> _Table:
        labels, scores = labels_and_scores(rows.labels, rows.scores)
        number = len(labels)
        for name, values in rows.values.items():
            if np.shape(values) != (number,):
                raise InvalidFrame(name, f"expected {number} values, got {np.shape(values)}")
        names, day = np.unique(column("days", rows.days, number), return_inverse=True)
        _, card = np.unique(column("cards", rows.cards, number), return_inverse=True)
        _, pairs = np.unique(day * (card.max() + 1) + card, return_inverse=True)
        amounts = column("amounts", rows.amounts, number).astype(np.float64)
        return cls(labels, scores, amounts, pairs, len(names), costs)

    def outcome(self, severity: NDArray[np.int64]) -> Outcome:
        stopped, declined = severity >= _REVIEW, severity == _DECLINE
        missed = float(self.amounts[self.labels & ~stopped].sum())
        false_declines = int((declined & ~self.labels).sum())
        costs = self.costs
        return Outcome(
            reviewed=int((severity == _REVIEW).sum()),
            declined=int(declined.sum()),
            frauds_caught=int((stopped & self.labels).sum()),
            false_positives=int((stopped & ~self.labels).sum()),
            cards_per_day=len(np.unique(self.pairs[stopped])) / self.days,
            cost=missed * costs.missed_fraud_share
            + costs.review * int(stopped.sum())
            + costs.false_decline * false_declines,
        )


def _severity(rule: Rule, values: Mapping[str, Float64]) -> NDArray[np.int64]:
    """What a rule asks for on each row, [N]."""
    return firing(rule, values) * _SEVERITY[rule.decision]


def _strictest(*severities: NDArray[np.int64]) -> NDArray[np.int64]:
    strictest: NDArray[np.int64] = np.max(severities, axis=0)
    return strictest


def _judge(
    rule: Rule,
    policy: Policy,
    model: NDArray[np.int64],
    severity: Mapping[str, NDArray[np.int64]],
    table: _Table,
) -> RuleOutcome:
    own = severity[rule.name]
    fires = own > 0
    passed = fires & (model == 0)
    caught = passed & table.labels
    others = [
        severity[other.name]
        for other in policy.rules
        if other.mode == "active" and other.name != rule.name
    ]
    alone, beside = table.outcome(model), table.outcome(_strictest(model, own))
    declines = (own == _DECLINE) & (model < _DECLINE)
    return RuleOutcome(
        name=rule.name,
        mode=rule.mode,
        fires=int(fires.sum()),
        frauds=int((fires & table.labels).sum()),
        marginal_frauds=int(caught.sum()),
        marginal_amount=float(table.amounts[caught].sum()),
        only_frauds=int((caught & (_strictest(model, *others) == 0)).sum()),
        false_positives_added=int((passed & ~table.labels).sum()),
        false_declines_added=int((declines & ~table.labels).sum()),
        cost_change=beside.cost - alone.cost,
        cards_added_per_day=beside.cards_per_day - alone.cards_per_day,
    )
