from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from cardfraud.features.batch import all_values
from cardfraud.features.definitions import (
    FEATURE_NAMES,
    MERCHANT_STATE,
    USER_HISTORY_STATE,
)
from cardfraud.features.values import DAY_US, HOUR_US, vector
from cardfraud_pipelines.ladder.requests import Asked, asked_by_day
from cardfraud_pipelines.ladder.rungs import RUNGS, Rung
from tests.support.cards import FIRST_DAY, Cards, cards

DAYS = [FIRST_DAY + timedelta(days=offset) for offset in (38, 39)]
USER, MERCHANT = USER_HISTORY_STATE.name, MERCHANT_STATE.name
OF_THE_MERCHANT = [i for i, name in enumerate(FEATURE_NAMES) if name.startswith("merchant_")]
OF_THE_USER = [i for i, name in enumerate(FEATURE_NAMES) if name.startswith(("user_", "total_"))]


@pytest.fixture(scope="module")
def world() -> Cards:
    """42 days of transactions with frauds."""
    return cards(users=40)


@pytest.fixture(scope="module")
def asked(world: Cards) -> list[Asked]:
    """Two of the last days, with the state that each request finds."""
    return list(asked_by_day(world.transactions, world.labels, DAYS))


def rung(name: str) -> Rung:
    """The rung of that name."""
    return next(one for one in RUNGS if one.name == name)


def test_whole_states_give_the_offline_vectors(world: Cards, asked: list[Asked]) -> None:
    """With nothing missing, what is measured is what training sees, to the last bit."""
    offline = vector(all_values(world.transactions, world.labels))
    day = world.transactions["event_time"].dt.date()
    for number, one in zip(DAYS, asked, strict=True):
        rows = world.transactions.with_row_index().filter(day == number)
        rows = rows.sort("event_time", "transaction_id")
        served = rung("full").left(one.transactions, one.states)
        assert [t.transaction_id for t in one.transactions] == rows["transaction_id"].to_list()
        assert np.array_equal(served.vector, offline[rows["index"].to_numpy()])
        assert not any(health.degraded or health.late for health in served.health)


def test_frauds_are_those_of_the_labels(world: Cards, asked: list[Asked]) -> None:
    """Each request carries what became known later, and some were frauds."""
    frauds = set(world.labels.filter(pl.col("is_fraud"))["transaction_id"])
    for one in asked:
        assert one.fraud.tolist() == [t.transaction_id in frauds for t in one.transactions]
        assert one.fraud.any()


def test_no_state_knows_its_own_request(asked: list[Asked]) -> None:
    """The daily state ends at midnight, the hourly at the hour, the stream before the request."""
    for one in asked:
        for transaction, state in zip(one.transactions, one.states, strict=True):
            assert state.history is None or state.history.watermark_day == one.day
            hour = transaction.event_time_us // HOUR_US
            assert state.merchant is None or state.merchant.as_of_hour == hour
            assert state.stream is None or state.stream.last_us <= transaction.event_time_us
            assert transaction.event_time_us // DAY_US == one.day


@pytest.mark.parametrize(
    ("name", "stale", "kept"),
    [
        ("user stale", (USER,), OF_THE_MERCHANT),
        ("merchant stale", (MERCHANT,), OF_THE_USER),
        ("both stale", (USER, MERCHANT), []),
        ("stream absent", (), OF_THE_MERCHANT),
    ],
)
def test_a_rung_loses_what_it_says_and_no_more(
    asked: list[Asked], name: str, stale: tuple[str, ...], kept: list[int]
) -> None:
    """What is gone is named as the server names it; the other half's features stay as they are."""
    one = asked[-1]
    whole = rung("full").left(one.transactions, one.states)
    left = rung(name).left(one.transactions, one.states)
    assert {health.stale for health in left.health} == {stale}
    assert np.array_equal(left.vector[:, kept], whole.vector[:, kept])
    assert not np.array_equal(left.vector, whole.vector)


def test_without_the_store_nothing_but_the_request_is_known(asked: list[Asked]) -> None:
    """Every answer is degraded, and no value of a user or a merchant is there."""
    one = asked[0]
    left = rung("store gone").left(one.transactions, one.states)
    assert all(health.degraded for health in left.health)
    assert np.isnan(left.values["avg_amount"]).all()
    assert (left.values["total_transactions"] == 0).all()
    assert left.values["amount"].tolist() == [float(t.amount) for t in one.transactions]


def test_the_stream_reaches_back_before_the_first_day(world: Cards) -> None:
    """A single day's requests find the streamed days before it, which a stale history leaves."""
    (one,) = asked_by_day(world.transactions, world.labels, DAYS[-1:])
    days = [state.stream.days["offset"].max() for state in one.states if state.stream]
    assert max(days) == 3
    assert date.fromordinal(date(1970, 1, 1).toordinal() + one.day) == DAYS[-1]
