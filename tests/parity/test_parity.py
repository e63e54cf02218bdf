from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cardfraud.features import batch, values
from cardfraud.features.definitions import FEATURE_NAMES, FEATURES
from cardfraud.features.tiles import day_of
from tests.cardfraud.features.oracle import DAY, HOUR, START, Payment, labels_frame
from tests.cardfraud.features.oracle import transactions_frame as frame
from tests.cardfraud.features.strategies import LARGEST, payments, reports
from tests.parity.replay import in_order, serve

STATE_LIMIT = 4_096
"""Bytes of state that a user may take."""


def offline(transactions: pl.DataFrame, labels: pl.DataFrame) -> NDArray[np.float32]:
    """Vectors of the whole table, in the order in which it happened."""
    return values.vector(batch.all_values(in_order(transactions), labels))


def differing(found: NDArray[np.float32], expected: NDArray[np.float32]) -> list[str]:
    """Names of the features in which two sets of vectors differ in any bit."""
    return [
        name
        for i, name in enumerate(FEATURE_NAMES)
        if not np.array_equal(found[:, i], expected[:, i])
    ]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_served_is_what_training_saw(data: st.DataObject) -> None:
    """State and stream give every feature of every row the same bits as the batch computation.

    Also when events are delivered several times, and when the users' snapshot is a day late.
    """
    rows = data.draw(payments())
    table, labels = frame(rows), labels_frame(data.draw(reports(rows)))
    served = serve(
        table,
        labels,
        history_lag_days=data.draw(st.sampled_from([0, 1])),
        deliveries=data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=5)),
    )
    assert differing(served.vectors, offline(table, labels)) == []
    assert not any(health.degraded or health.late for health in served.health)


def test_a_busy_day_is_served_as_training_saw_it() -> None:
    """More transactions in ten minutes than the state keeps events are cut alike on both sides."""
    rows = [
        Payment(f"t{i:03d}", START + 20 * DAY + i * 7_000_000, "a", "x", 100 + i)
        for i in range(150)
    ]
    table, labels = frame(rows), labels_frame([])
    found = serve(table, labels).vectors
    assert differing(found, offline(table, labels)) == []
    assert found[:, FEATURE_NAMES.index("transactions_last_10min")].max() == 32


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_future_changes_nothing(data: st.DataObject) -> None:
    """Cutting off all that happened or was reported after a row leaves its values alone."""
    rows = sorted(data.draw(payments()), key=lambda p: (p.time_us, p.id))
    known = data.draw(reports(rows))
    cut = data.draw(st.integers(1, len(rows)))
    now = rows[cut - 1].time_us
    past = [report for report in known if report.reported_us <= now]
    whole = offline(frame(rows), labels_frame(known))[:cut]
    assert differing(offline(frame(rows[:cut]), labels_frame(past)), whole) == []


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_labels_are_not_seen_before_they_were_reported(data: st.DataObject) -> None:
    """Labels that were reported in a row's own hour, or later, make no difference to the row."""
    rows = data.draw(payments())
    known = data.draw(reports(rows))
    whole = offline(frame(rows), labels_frame(known))
    hours = in_order(frame(rows))["event_time"].dt.epoch("us").to_numpy() // HOUR
    for hour in set(hours.tolist()):
        before = [report for report in known if report.reported_us < hour * HOUR]
        found = offline(frame(rows), labels_frame(before))
        assert differing(found[hours == hour], whole[hours == hour]) == []


@settings(max_examples=40, deadline=None)
@given(data=st.data(), days=st.sampled_from([1, 2, 7, 365]))
def test_shifting_time_by_days_changes_the_calendar_only(data: st.DataObject, days: int) -> None:
    """Values depend on distances in time, not on where in time they are measured."""
    rows = data.draw(payments())
    known = labels_frame(data.draw(reports(rows)))
    later = timedelta(days=days)
    shifted = offline(
        frame(rows).with_columns(pl.col("event_time") + later),
        known.with_columns(pl.col("reported_at") + later),
    )
    changed = set(differing(shifted, offline(frame(rows), known)))
    assert changed <= {"day_of_week", "is_weekend"}
    if days % 7 == 0:
        assert changed == set()
    else:
        assert "day_of_week" in changed


def test_the_busiest_user_fits_into_the_limit() -> None:
    """A user of 90 full days, every hour of the last ones and a burst stays within 4,096 bytes."""
    rows = [
        Payment(f"d{day:03d}-{hour:02d}", START + day * DAY + hour * HOUR, "a", "x", LARGEST)
        for day in range(95)
        for hour in (range(24) if day > 90 else range(1))
    ]
    rows += [
        Payment(f"e{i:03d}", START + 94 * DAY + 23 * HOUR + i * 1_000_000, "a", "x", LARGEST)
        for i in range(40)
    ]
    served = serve(frame(rows), labels_frame([]), first_day=day_of(START) + 91)
    assert 3_000 < served.bytes_per_user <= STATE_LIMIT


@pytest.mark.handbook
@pytest.mark.slow
def test_a_handbook_day_is_served_as_training_saw_it(handbook: Path) -> None:
    """Every feature of the 9,740 rows of one large day has the same bits on both sides."""
    day = (date(2018, 8, 8) - date(1970, 1, 1)).days
    source = pl.read_parquet(sorted(handbook.glob("*.parquet"))).filter(
        pl.col("TX_DATETIME").dt.epoch("us") // DAY <= day
    )
    when = pl.col("TX_DATETIME").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    table = source.select(
        transaction_id=pl.col("TRANSACTION_ID").cast(pl.String),
        event_time=when,
        user_id=pl.col("CUSTOMER_ID").cast(pl.String),
        merchant_id=pl.col("TERMINAL_ID").cast(pl.String),
        amount_minor=(pl.col("TX_AMOUNT") * 100).round().cast(pl.Int64),
    )
    labels = source.filter(pl.col("TX_FRAUD") == 1).select(
        transaction_id=pl.col("TRANSACTION_ID").cast(pl.String),
        is_fraud=pl.lit(value=True),
        reported_at=when + timedelta(days=7),
        revision=pl.lit(0, dtype=pl.Int32),
    )
    served = serve(table, labels, first_day=day)
    assert len(served.vectors) == 9_740
    assert differing(served.vectors, offline(table, labels)[-9_740:]) == []
    assert served.vectors.shape[1] == len(FEATURES)
    assert served.bytes_per_user <= STATE_LIMIT
