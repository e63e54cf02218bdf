"""Candidate and champion on the same rows: every figure with its interval, and the difference."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from cardfraud.contracts.policy import CostMatrix, GateLimits
from cardfraud.evaluation.card_precision import ResampledCardPrecision
from cardfraud.evaluation.held_out import HeldOut, Scored
from cardfraud.evaluation.intervals import Interval, percentile_interval
from cardfraud.evaluation.measures import Decisions, Separation
from cardfraud.evaluation.resampling import Floats, Groups, Sample, bootstrap, grouped
from cardfraud.evaluation.result import Result


class Estimates(Result):
    """The figures of one scorer, or of the difference of two; None where undefined.

    ``average_precision``, ``auc_roc`` and Card Precision@k go over all thresholds. ``recall``,
    ``false_positive_rate``, ``precision`` and ``loss_prevented`` (the share of the frauds' money
    that a review would have kept) are those of what thresholds and active rules stop, and
    ``cost_per_thousand`` is what the decisions on a thousand transactions cost, in major units of
    the currency.
    """

    average_precision: Interval | None
    auc_roc: Interval | None
    card_precision: Interval | None
    card_precision_share: Interval | None
    """Card Precision@k over what a perfect scorer reaches on the same cards."""
    recall: Interval | None
    false_positive_rate: Interval | None
    precision: Interval | None
    loss_prevented: Interval | None
    cost_per_thousand: Interval | None


class PricedChange(Result):
    """What the candidate's decisions cost by one cost matrix."""

    candidate: Interval | None
    """On a thousand transactions."""
    change: Interval | None
    """Over the cost of the champion's decisions, minus 1; None where those cost nothing."""


class Comparison(Result):
    """Intervals of a candidate and, where there is one, of its champion on the same resamples."""

    candidate: Estimates
    champion: Estimates | None
    difference: Estimates | None
    """Candidate minus champion."""
    cost: PricedChange | None
    """By the candidate's costs."""
    champion_cost: PricedChange | None
    """By the champion's costs; None where they are the same, or unknown."""
    saving_per_thousand: Interval | None
    """What the candidate's decisions save, by its costs, on a thousand transactions against the
    cheaper of stopping nothing and reviewing everything."""


def compare(
    rows: HeldOut,
    candidate: Scored,
    champion: Scored | None,
    *,
    costs: CostMatrix,
    champion_costs: CostMatrix | None = None,
    limits: GateLimits,
    k: int,
    seed: int,
) -> Comparison:
    """Draw cards with replacement and measure both scorers on each draw.

    Args:
        rows: the held-out rows.
        candidate: its scores, and the thresholds and rules it would act by.
        champion: the same of the champion.
        costs: prices the decisions of both.
        champion_costs: prices them again, if these are others.
        limits: how many resamples, and the level of the intervals.
        k: cards that can be looked at in a day, for Card Precision@k.
        seed: seed of the draws; the same seed gives the same intervals.
    """
    cards = grouped(rows.cards, len(rows.labels))
    scorers = [candidate] if champion is None else [candidate, champion]
    again = None if champion is None or champion_costs == costs else champion_costs
    measures = [_Scorer(rows, each, costs, again=again, cards=cards, k=k) for each in scorers]

    def measure(times: Floats) -> dict[str, Floats]:
        return {
            f"{position} {name}": values
            for position, each in enumerate(measures)
            for name, values in each(times).items()
        }

    drawn = bootstrap(measure, cards, resamples=limits.bootstrap_samples, seed=seed)
    interval = partial(percentile_interval, level=limits.confidence)

    def estimates(samples: Mapping[str, Sample]) -> Estimates:
        names = Estimates.model_fields
        return Estimates.model_validate({name: interval(samples[name]) for name in names})

    one = {name: drawn[f"0 {name}"] for name in Estimates.model_fields}
    saving = interval(drawn["0 saving_per_thousand"])
    if champion is None:
        return Comparison(
            candidate=estimates(one),
            champion=None,
            difference=None,
            cost=None,
            champion_cost=None,
            saving_per_thousand=saving,
        )

    def priced(name: str) -> PricedChange:
        mine, theirs = drawn[f"0 {name}"], drawn[f"1 {name}"]
        return PricedChange(candidate=interval(mine), change=interval(_change(mine, theirs)))

    other = {name: drawn[f"1 {name}"] for name in Estimates.model_fields}
    return Comparison(
        candidate=estimates(one),
        champion=estimates(other),
        difference=estimates({name: _minus(one[name], other[name]) for name in one}),
        cost=priced("cost_per_thousand"),
        champion_cost=None if again is None else priced("cost_again"),
        saving_per_thousand=saving,
    )


class _Scorer:
    """All measures of one scorer."""

    def __init__(
        self,
        rows: HeldOut,
        scored: Scored,
        costs: CostMatrix,
        *,
        again: CostMatrix | None,
        cards: Groups,
        k: int,
    ) -> None:
        self._parts = (
            Separation(rows.labels, scored.scores, cards),
            ResampledCardPrecision(rows.days, rows.labels, scored.scores, cards, k=k),
            Decisions(rows, scored, costs, cards),
        )
        self._again = None if again is None else Decisions(rows, scored, again, cards)

    def __call__(self, times: Floats) -> dict[str, Floats]:
        found = {name: values for part in self._parts for name, values in part(times).items()}
        if self._again is not None:
            found["cost_again"] = self._again(times)["cost_per_thousand"]
        return found


def _minus(one: Sample, other: Sample) -> Sample:
    return Sample(one.estimate - other.estimate, one.draws - other.draws)


def _change(one: Sample, other: Sample) -> Sample:
    def change(a: Floats, b: Floats) -> Floats:
        return np.divide(a - b, b, out=np.full_like(a, np.nan), where=b > 0)

    once = change(np.array([one.estimate]), np.array([other.estimate]))
    return Sample(float(once[0]), change(one.draws, other.draws))
