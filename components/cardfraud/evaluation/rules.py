"""What the rules of a policy are worth beside its model: a backtest on scored, labelled rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import CostMatrix, Policy, Rule
from cardfraud.errors import InvalidFrame
from cardfraud.evaluation.actions import Actions, Bool, Float64, act, firing
from cardfraud.evaluation.cost import decision_costs
from cardfraud.evaluation.inputs import column, labels_and_scores
from cardfraud.evaluation.result import Result
from cardfraud.scoring.decision import check_rules


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
    model = act(table.scores, policy.thresholds)
    fired = [_Fired(rule, firing(rule, rows.values)) for rule in policy.rules]
    active = [one for one in fired if one.rule.mode == "active"]
    return Backtest(
        rows=len(table.labels),
        frauds=int(table.labels.sum()),
        fraud_amount=float(table.amounts[table.labels].sum()),
        days=table.days,
        model_alone=table.outcome(model),
        with_rules=table.outcome(_with(model, active)),
        with_shadow=table.outcome(_with(model, fired)),
        rules=tuple(
            _judge(one, model, [other for other in active if other is not one], table)
            for one in fired
        ),
    )


@dataclass(frozen=True, slots=True)
class _Fired:
    """A rule and where it fires, [N]."""

    rule: Rule
    where: Bool


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

    def outcome(self, actions: Actions) -> Outcome:
        stopped, declined = actions.stopped, actions.declined
        return Outcome(
            reviewed=int((stopped & ~declined).sum()),
            declined=int(declined.sum()),
            frauds_caught=int((stopped & self.labels).sum()),
            false_positives=int((stopped & ~self.labels).sum()),
            cards_per_day=len(np.unique(self.pairs[stopped])) / self.days,
            cost=float(decision_costs(self.labels, actions, self.amounts, costs=self.costs).sum()),
        )


def _with(model: Actions, rules: Iterable[_Fired]) -> Actions:
    """What the model's thresholds and some rules do together, shadow rules too."""
    actions = model
    for one in rules:
        actions = actions.stricter(one.rule, one.where)
    return actions


def _judge(one: _Fired, model: Actions, others: Sequence[_Fired], table: _Table) -> RuleOutcome:
    """Judge one rule; ``others`` are the active ones beside it."""
    rule, fires, labels = one.rule, one.where, table.labels
    passed = fires & ~model.stopped
    caught = passed & labels
    together = _with(model, [one])
    alone, beside = table.outcome(model), table.outcome(together)
    declines = together.declined & ~model.declined
    return RuleOutcome(
        name=rule.name,
        mode=rule.mode,
        fires=int(fires.sum()),
        frauds=int((fires & labels).sum()),
        marginal_frauds=int(caught.sum()),
        marginal_amount=float(table.amounts[caught].sum()),
        only_frauds=int((caught & ~_with(model, others).stopped).sum()),
        false_positives_added=int((passed & ~labels).sum()),
        false_declines_added=int((declines & ~labels).sum()),
        cost_change=beside.cost - alone.cost,
        cards_added_per_day=beside.cards_per_day - alone.cards_per_day,
    )
