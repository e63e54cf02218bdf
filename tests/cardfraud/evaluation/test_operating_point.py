from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.contracts.policy import CostMatrix, Thresholds
from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.operating_point import MIN_DECLINED, choose_thresholds

COSTS = CostMatrix(missed_fraud_share=1.0, review=5.0, false_decline=10.0)


def _choose(
    labels: NDArray[np.bool_],
    scores: NDArray[np.float64],
    *,
    amount: float = 50.0,
    days: int = 1,
    budget: int = 1000,
    decline_precision: float = 0.95,
    cards: NDArray[np.int64] | None = None,
) -> Thresholds:
    rows = len(labels)
    return choose_thresholds(
        labels,
        scores,
        np.full(rows, amount),
        days=np.arange(rows) % days,
        cards=np.arange(rows) if cards is None else cards,
        costs=COSTS,
        alert_budget_per_day=budget,
        decline_precision=decline_precision,
    )


def test_review_begins_where_the_cost_is_lowest() -> None:
    """No other threshold among the scores is cheaper on the rows that it was chosen on."""
    random = np.random.default_rng(3)
    labels = random.random(3000) < 0.05
    scores = np.round(np.clip(random.normal(0.2 + 0.3 * labels, 0.15), 0, 1), 2).astype(np.float64)
    chosen = _choose(labels, scores).review

    def cost(threshold: float) -> float:
        flagged = scores >= threshold
        return 50.0 * int((labels & ~flagged).sum()) + 5.0 * int(flagged.sum())

    assert cost(chosen) == min(cost(t) for t in np.unique(scores))


def test_the_alert_budget_counts_cards_by_day() -> None:
    """At most so many cards a day are alerted on; rows of one card on one day are one alert."""
    labels = np.ones(40, dtype=np.bool_)
    scores = np.linspace(0.99, 0.6, 40)
    alone = _choose(labels, scores, budget=5, days=2)
    assert int((scores >= alone.review).sum()) == 10
    paired = _choose(labels, scores, budget=5, days=2, cards=np.arange(40) // 4)
    assert int((scores >= paired.review).sum()) == 20


def test_a_budget_that_not_even_one_score_fits_takes_the_strictest() -> None:
    """Where the highest score alone breaks the budget, review begins at the highest score."""
    scores = np.array([0.9] * 10 + [0.1] * 10)
    chosen = _choose(np.arange(20) < 10, scores, budget=3)
    assert chosen.review == 0.9


def test_decline_needs_precision_and_rows() -> None:
    """Decline begins at the lowest score whose tail is nearly all fraud and long enough."""
    labels = np.array([True] * 30 + [False] * 70)
    scores = np.linspace(0.99, 0.01, 100)
    assert _choose(labels, scores).decline == pytest.approx(scores[29])
    assert _choose(labels[11:], scores[11:]).decline == 1.0


def test_decline_never_lies_below_review() -> None:
    """Where even sure frauds are too cheap to look at, nothing below review is declined."""
    labels = np.ones(50, dtype=np.bool_)
    chosen = _choose(labels, np.linspace(0.9, 0.5, 50), amount=1.0)
    assert chosen.decline >= chosen.review


@pytest.mark.parametrize(
    ("precision", "budget", "name"),
    [
        (0.0, 10, "decline_precision"),
        (1.1, 10, "decline_precision"),
        (0.9, 0, "alert_budget_per_day"),
    ],
)
def test_settings_out_of_range_are_named(precision: float, budget: int, name: str) -> None:
    """A share outside 0 to 1 or a budget below 1 is refused by its name."""
    with pytest.raises(InvalidSetting, match=name):
        _choose(
            np.array([True, False]),
            np.array([0.9, 0.1]),
            budget=budget,
            decline_precision=precision,
        )


@dataclass(frozen=True)
class _Table:
    labels: NDArray[np.bool_]
    scores: NDArray[np.float64]
    amounts: NDArray[np.float64]
    days: NDArray[np.int64]
    cards: NDArray[np.int64]


def _random_table(random: np.random.Generator) -> _Table:
    """Return rows with many ties of scores, few cards and few days, and whole amounts."""
    rows = int(random.integers(1, 150))
    labels = random.random(rows) < random.choice([0.02, 0.3, 0.9])
    noise = random.normal(0.3 + 0.3 * labels, 0.25)
    digits = int(random.integers(1, 4))
    return _Table(
        labels,
        np.round(np.clip(noise, 0, 1), digits).astype(np.float64),
        random.integers(0, 40, rows).astype(np.float64),
        random.integers(0, random.integers(1, 6), rows),
        random.integers(0, random.integers(1, 30), rows),
    )


def _tried(table: _Table, costs: CostMatrix, budget: int, precision: float) -> Thresholds:
    """Return the thresholds by trying every score there is, and reviewing nothing."""
    scores = sorted(set(table.scores.tolist()), reverse=True)
    number_of_days = len(set(table.days.tolist()))
    nothing = float(table.amounts[table.labels].sum()) * costs.missed_fraud_share
    priced: list[tuple[float, float]] = []
    for threshold in scores:
        flagged = table.scores >= threshold
        pairs = set(zip(table.days[flagged].tolist(), table.cards[flagged].tolist(), strict=True))
        if len(pairs) <= budget * number_of_days:
            missed = float(table.amounts[table.labels & ~flagged].sum())
            cost = missed * costs.missed_fraud_share + costs.review * int(flagged.sum())
            priced.append((cost, -threshold))
    review = scores[0]
    if priced:
        cheapest, negative = min(priced)
        review = -negative if cheapest <= nothing else 1.0
    fit = []
    for threshold in scores:
        flagged = table.scores >= threshold
        frauds, number = int(table.labels[flagged].sum()), int(flagged.sum())
        if threshold >= review and number >= MIN_DECLINED and frauds >= precision * number:
            fit.append(threshold)
    return Thresholds(review=review, decline=min(fit, default=1.0))


@pytest.mark.parametrize("seed", range(40))
def test_the_choice_is_what_trying_everything_gives(seed: int) -> None:
    """On random rows, costs and budgets no threshold within the budget is cheaper or stricter."""
    random = np.random.default_rng(seed)
    for _ in range(10):
        table = _random_table(random)
        costs = CostMatrix(
            missed_fraud_share=float(random.choice([0.0, 0.5, 1.0, 2.0])),
            review=float(random.choice([0.0, 1.0, 4.0, 16.0])),
        )
        budget = int(random.choice([1, 2, 3, 5, 10, 1000]))
        precision = float(random.choice([0.3, 0.5, 0.75, 1.0]))
        chosen = choose_thresholds(
            table.labels,
            table.scores,
            table.amounts,
            days=table.days,
            cards=table.cards,
            costs=costs,
            alert_budget_per_day=budget,
            decline_precision=precision,
        )
        assert chosen == _tried(table, costs, budget, precision)


def test_where_no_review_pays_nothing_is_reviewed() -> None:
    """Frauds that are cheaper than looking at them are let through."""
    labels, scores = np.array([True] * 5 + [False] * 5), np.linspace(0.9, 0.1, 10)
    assert _choose(labels, scores, amount=4.0) == Thresholds(review=1.0, decline=1.0)
    assert _choose(labels, scores, amount=6.0).review < 1.0


def test_rows_of_one_score_stand_or_fall_together() -> None:
    """A budget in the middle of a tie takes none of the tie."""
    scores = np.array([0.9, 0.8, 0.8, 0.8, 0.7])
    assert _choose(np.ones(5, dtype=np.bool_), scores, budget=3).review == 0.9
    assert _choose(np.ones(5, dtype=np.bool_), scores, budget=4).review == 0.8
