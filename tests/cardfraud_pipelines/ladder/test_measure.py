from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from cardfraud.adapters.feature_store import OnlineRow
from cardfraud.contracts.policy import Decision, Rule
from cardfraud.contracts.transactions import Transaction
from cardfraud.scoring.session import OnnxScorer
from cardfraud_pipelines.ladder.measure import Subject, measure
from cardfraud_pipelines.ladder.requests import Asked
from cardfraud_pipelines.ladder.result import LadderResult, RungFigures
from cardfraud_pipelines.ladder.rungs import RUNGS
from tests.support.bundles import signature
from tests.support.graphs import logistic, tiny_policy

DAY = 20_000
NIGHT_RULE = Rule(
    name="at_night", field="is_night", op="ge", value=1, decision=Decision.REVIEW, reason="night"
)
LARGE_RULE = Rule(
    name="large", field="amount", op="gt", value=500, decision=Decision.DECLINE, reason="large"
)


def day(number: int, rows: list[tuple[str, int, int, bool]]) -> Asked:
    """A day of (card, hour, amount, fraud), of cards that the store does not know."""
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)
    return Asked(
        day=number,
        transactions=[
            Transaction(
                transaction_id=f"t{number}-{i}",
                event_time=start + timedelta(hours=hour),
                user_id=card,
                merchant_id="m",
                amount=Decimal(amount),
            )
            for i, (card, hour, amount, _) in enumerate(rows)
        ],
        states=[OnlineRow()] * len(rows),
        fraud=np.array([fraud for *_, fraud in rows]),
    )


DAYS = [
    day(DAY, [("a", 12, 100, False), ("b", 12, 900, True), ("c", 3, 50, False)]),
    day(DAY + 1, [("a", 12, 300, False), ("c", 3, 200, True)]),
]


def measured(*, budget: int = 1) -> LadderResult:
    """The ladder of a model that rises with the amount, and of two rules."""
    scorer = OnnxScorer(logistic({"amount": 0.01}, bias=-4.0), signature())
    policy = tiny_policy(rules=(NIGHT_RULE, LARGE_RULE), alert_budget_per_day=budget)
    return measure(Subject("five rows", "logistic", scorer, policy), DAYS)


@pytest.fixture(scope="module")
def result() -> LadderResult:
    """With one card a day that can be looked at."""
    return measured()


def named(result: LadderResult, name: str) -> RungFigures:
    """The rung of that name."""
    return next(one for one in result.rungs if one.name == name)


def test_the_rows_are_counted(result: LadderResult) -> None:
    """Days, rows and frauds are those that were asked; every rung is there, in order."""
    assert (result.rows, result.frauds) == (5, 2)
    assert (result.last_day - result.first_day).days == 1
    assert [one.name for one in result.rungs] == [rung.name for rung in RUNGS]
    assert result.card_precision_ceiling == pytest.approx(0.01)


def test_the_model_ranks_where_it_is_asked(result: LadderResult) -> None:
    """By amount it finds the first day's fraud first and the second day's not."""
    full = result.full
    assert full.recall_at_budget == 0.5
    # Ranked 900 (fraud), 300, 200 (fraud), 100, 50.
    assert full.average_precision == pytest.approx((1 + 2 / 3) / 2)
    # 900 by rule and score, 300 at 0.27 not; both at night by rule.
    assert full.alerts_per_day == (2 + 1) / 2
    assert full.frauds_stopped == 1.0
    assert full.told == 0


def test_rules_rank_by_decision_then_number_then_amount(result: LadderResult) -> None:
    """The declined one, then those of which a rule speaks, then the larger amount."""
    gone = named(result, "predictor gone")
    # Ranked 900 (declined, fraud), 200 (night, fraud), 50 (night), 300, 100.
    assert gone.average_precision == 1.0
    assert gone.recall_at_budget == 1.0


def test_days_are_ranked_on_one_scale() -> None:
    """A declined fraud ranks above another day's reviewed row, however many rules spoke there."""
    night = NIGHT_RULE.model_copy(update={"decision": Decision.DECLINE})
    review = [
        LARGE_RULE.model_copy(update={"name": name, "value": value, "decision": Decision.REVIEW})
        for name, value in (("some", 100.0), ("more", 200.0))
    ]
    scorer = OnnxScorer(logistic({"amount": 0.01}, bias=-4.0), signature())
    policy = tiny_policy(rules=(night, *review))
    days = [day(DAY, [("a", 12, 900, False)]), day(DAY + 1, [("b", 3, 50, True)])]
    gone = named(measure(Subject("two rows", "logistic", scorer, policy), days), "predictor gone")
    assert gone.average_precision == 1.0


def test_a_marked_answer_is_reviewed(result: LadderResult) -> None:
    """Where rules alone decide every card is stopped, and every answer says so."""
    for name in ("predictor gone", "store gone"):
        gone = named(result, name)
        assert (gone.alerts_per_day, gone.frauds_stopped, gone.told) == (2.5, 1.0, 1.0)


def test_the_budget_is_the_policys() -> None:
    """With two cards a day both frauds are on the cards that rank highest."""
    assert measured(budget=2).full.recall_at_budget == 1.0


def test_the_loss_is_against_the_first_rung(result: LadderResult) -> None:
    """Card precision that is lost, nothing on the first rung itself."""
    assert result.lost(result.full) == 0
    worse = result.full.model_copy(update={"card_precision": result.full.card_precision - 0.25})
    assert result.lost(worse) == pytest.approx(0.25)
