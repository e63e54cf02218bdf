"""Aggregates from state against the loops of the oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.features import online, values
from cardfraud.features.merchant_state import MerchantState
from cardfraud.features.snapshot import merchant_snapshot, user_snapshot
from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import (
    RETAINED_DAYS,
    Event,
    StreamView,
    UserStream,
    apply,
    fingerprint,
)
from tests.cardfraud.features import oracle
from tests.cardfraud.features.oracle import DAY, HOUR, START, Payment, Report
from tests.cardfraud.features.strategies import LARGEST, payments, reports

TODAY = START // DAY


def streamed(rows: list[Payment]) -> StreamView | None:
    """Return what a server reads after the events of one user were applied in order."""
    if not rows:
        return None
    state = UserStream()
    for offset, p in enumerate(sorted(rows, key=lambda p: (p.time_us, p.id))):
        state, _ = apply(state, Event(0, offset, p.time_us, p.amount, fingerprint(p.id)))
    return StreamView.decode(state.encode())


def backfilled(rows: list[Payment], watermark_day: int) -> UserHistory | None:
    """Return the daily half of one user, ``None`` for somebody who was never seen."""
    frame = user_snapshot(oracle.transactions_frame(rows), watermark_day)
    return UserHistory.decode(frame["state"].item()) if len(frame) else None


def user_row(state: online.UserState, time_us: int) -> dict[str, float]:
    """Return the user features of one request."""
    aggregates = online.user_aggregates([state], [time_us])
    computed = values.user_values(aggregates, np.array([time_us]))
    return {name: column.item() for name, column in computed.items()}


@given(payments(users="a"), st.integers(0, RETAINED_DAYS))
def test_both_halves_together_are_the_whole_history(rows: list[Payment], late: int) -> None:
    """However late the daily job, history and stream give what a loop over all rows gives."""
    rows.sort(key=lambda p: (p.time_us, p.id))
    now = rows.pop()
    history = backfilled(rows, now.time_us // DAY - late)
    state = online.UserState(history, streamed(rows))
    got = user_row(state, now.time_us)
    for name, expected in oracle.user_values([*rows, now], now).items():
        if name == "std_amount":
            assert got[name] == pytest.approx(expected, rel=1e-6, abs=0.05, nan_ok=True)
        else:
            assert got[name] == expected or (math.isnan(got[name]) and math.isnan(expected)), name


@given(st.data())
def test_merchant_state_is_what_a_loop_gives(data: st.DataObject) -> None:
    """The blob of a request's hour gives the features of the oracle, bit for bit."""
    rows = data.draw(payments())
    labels = data.draw(reports(rows))
    for now in rows[:5]:
        hour = now.time_us // HOUR
        frame = merchant_snapshot(
            oracle.transactions_frame(rows), oracle.labels_frame(labels), hour
        )
        blobs = dict(frame.iter_rows())
        blob = blobs.get(now.merchant)
        aggregates = online.merchant_aggregates(
            [MerchantState.decode(blob) if blob else None], [now.time_us]
        )
        computed = values.merchant_values(aggregates)
        for name, expected in oracle.merchant_values(rows, labels, now).items():
            got = computed[name].item()
            assert got == expected or (math.isnan(got) and math.isnan(expected)), name


@pytest.mark.parametrize("age", [0, 1, 2])
def test_an_older_merchant_state_lacks_what_has_come_through_the_delay_since(age: int) -> None:
    """A blob of some days ago serves the same windows, short of the newest days and no others."""
    rows = [Payment(f"t{n}", START + n * DAY, "a", "x", 1) for n in range(60)]
    blob = merchant_snapshot(
        oracle.transactions_frame(rows), oracle.labels_frame([]), (TODAY + 50 - age) * 24 + 1
    )["state"].item()
    state = MerchantState.decode(blob)
    counts = [state.window(TODAY + 50, days)[0] for days in (1, 7, 30)]
    assert counts == [2 - age, 8 - age, 31 - age]


def test_days_without_labels_do_not_end_a_streak() -> None:
    """What no label of the state can know is in no window; it is not taken for honest."""
    rows = [Payment(f"t{n}", START + n * DAY, f"u{n}", "x", 100) for n in range(20)]
    labels = [Report(p.id, fraud=True, reported_us=p.time_us + 7 * DAY, revision=0) for p in rows]
    blob = merchant_snapshot(
        oracle.transactions_frame(rows), oracle.labels_frame(labels), (TODAY + 15) * 24
    )["state"].item()
    state = MerchantState.decode(blob)
    assert state.window(TODAY + 16, 1) == (0, 0)
    assert state.window(TODAY + 15, 1) == (1, 1)
    assert state.streak(TODAY + 15) == (0, 8, 15, 800)
    assert state.streak(TODAY + 16) == (0, 8, 16, 800)
    assert state.streak(TODAY + 14) == (0, 8, 14, 800)
    assert state.streak(TODAY + 13) == (0, 7, 13, 700)


def test_nothing_known_gives_no_values() -> None:
    """A user without any state has counts and sums of 0 and no other value."""
    row = user_row(online.UserState(), START)
    zero = {name for name, value in row.items() if value == 0}
    assert zero == {
        name for name in row if "count" in name or "spent" in name or "transactions" in name
    }
    assert all(math.isnan(row[name]) for name in row.keys() - zero)


def test_days_below_the_watermark_come_from_the_history_alone() -> None:
    """A day that both halves hold counts once; from the watermark on the stream's tiles count."""
    rows = [Payment(f"t{n}", START + n * DAY, "a", "x", 100) for n in range(3)]
    for watermark in (0, 1, 2, 3):
        history = backfilled(rows, TODAY + watermark)
        state = online.UserState(history, streamed(rows))
        assert user_row(state, START + 2 * DAY + HOUR)["total_transactions"] == 3


def test_what_happened_after_the_request_is_not_counted() -> None:
    """Tiles of later days and hours and later events are left out when an old request comes."""
    rows = [Payment(f"t{n}", START + n * DAY, "a", "x", 100) for n in range(3)]
    row = user_row(online.UserState(None, streamed(rows)), START + DAY + HOUR)
    assert row["total_transactions"] == 2
    assert row["user_count_1d"] == 1
    assert row["days_since_last"] == 1 / 24
    assert row["transactions_last_10min"] == 0


def test_a_gap_between_the_halves_is_told() -> None:
    """When the stream has dropped days that the history does not reach, the state says so."""
    rows = [Payment(f"t{n}", START + n * DAY, "a", "x", 100) for n in range(10)]
    stream = streamed(rows)
    last_day = TODAY + 9
    assert not online.UserState(backfilled(rows, last_day - 3), stream).has_gap()
    assert online.UserState(backfilled(rows, last_day - 4), stream).has_gap()
    assert not online.UserState(None, stream).has_gap()
    assert not online.UserState(backfilled(rows, last_day), None).has_gap()


def test_sums_of_squares_wrap_like_those_of_whole_tables() -> None:
    """Past 64 bits the sum of squares wraps; the request is still answered."""
    rows = [Payment(f"t{n}", START + n % 2 * DAY + n, "a", "x", LARGEST) for n in range(1845)]
    aggregates = online.user_aggregates(
        [online.UserState(backfilled(rows, TODAY + 2), None)] * 2, [START + 2 * DAY] * 2
    )
    assert aggregates.squares.tolist() == [1845 * LARGEST**2 - 2**64] * 2
    assert aggregates.history.total.tolist() == [1845 * LARGEST] * 2


def test_many_requests_are_answered_as_each_alone() -> None:
    """The rows of a batch are those of its requests, in order."""
    rows = [Payment(f"t{n}", START + n * HOUR, "a", "x", n) for n in range(50)]
    states = [online.UserState(None, streamed(rows[:n])) for n in (0, 1, 10, 50)]
    times = [START + 51 * HOUR + n for n in range(4)]
    together = values.user_values(online.user_aggregates(states, times), np.array(times))
    for position, (state, moment) in enumerate(zip(states, times, strict=True)):
        for name, value in user_row(state, moment).items():
            assert np.array_equal(together[name][position], value, equal_nan=True), name


def test_no_requests_give_empty_columns() -> None:
    """A batch of nothing is answered with nothing."""
    users = online.user_aggregates([], [])
    assert {len(c) for c in values.user_values(users, np.empty(0, dtype=np.int64)).values()} == {0}
    assert len(online.merchant_aggregates([], []).month.count) == 0
