from collections.abc import Iterator
from datetime import timedelta

import polars as pl
import pytest

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.contracts import keys
from cardfraud.errors import NotFound
from cardfraud.steps.featurize.snapshots import run_daily
from cardfraud_pipelines.local import Endpoints
from tests.support.feature_stores import (
    START,
    day_number,
    feature_store,
    history,
    labels,
    put_days,
    transactions,
)
from tests.support.stores import object_store

DAY = (START + timedelta(days=6)).date()


@pytest.fixture
def store(endpoints: Endpoints) -> Iterator[FeatureStore]:
    """Return a store that is ready for use."""
    made = feature_store(endpoints)
    made.apply()
    yield made
    made.close()


def spent(store: FeatureStore, user: str) -> int:
    """Minor units in a user's daily state."""
    state = store.read_online([user], ["m1"])[0].history
    assert state is not None
    return int(state.days["total"].sum())


def test_the_daily_job_brings_users_and_merchants_online(
    endpoints: Endpoints, store: FeatureStore
) -> None:
    """After the job the online store has every user's and merchant's state as of the midnight."""
    objects, table = object_store(endpoints), history()
    put_days(objects, table, labels([("t000", True, START + timedelta(days=1), 0)]))
    result = run_daily(objects, store, DAY + timedelta(days=7))
    assert (result.users, result.merchants, result.corrected) == (2, 2, ())
    row = store.read_online(["u1"], ["m1"])[0]
    assert row.history is not None
    assert row.merchant is not None
    number = day_number(START) + 13
    assert (row.history.watermark_day, row.merchant.as_of_hour) == (number, number * 24)
    mine = table.filter(pl.col("user_id") == "u1")
    assert spent(store, "u1") == mine["amount_minor"].sum()
    assert int(row.merchant.days["frauds"].sum()) == 1


def test_running_a_day_again_changes_no_byte(endpoints: Endpoints, store: FeatureStore) -> None:
    """The same data gives the same snapshot, so that nothing is written a second time."""
    objects = object_store(endpoints)
    put_days(objects, history())
    run_daily(objects, store, DAY)
    names = [k for k in objects.keys("features/state/") if k.endswith(".parquet")]
    before = [objects.get(name) for name in names]
    assert run_daily(objects, store, DAY).corrected == ()
    assert [objects.get(name) for name in names] == before
    assert len(names) == 2


def test_a_corrected_snapshot_replaces_the_earlier_one(
    endpoints: Endpoints, store: FeatureStore
) -> None:
    """A day that was corrected reaches the online store, also for a user who vanished from it."""
    objects, table = object_store(endpoints), history()
    put_days(objects, table)
    run_daily(objects, store, DAY)
    corrected = table.filter(pl.col("user_id") == "u1").with_columns(pl.col("amount_minor") * 2)
    for key in list(objects.keys(f"{keys.VALIDATED_TRANSACTIONS}/")):
        objects.delete(key)
    put_days(objects, corrected)
    result = run_daily(objects, store, DAY)
    assert "user_history_state_v1" in result.corrected
    assert spent(store, "u1") == corrected["amount_minor"].sum()
    assert spent(store, "u2") == 0


def test_a_corrected_old_day_does_not_replace_a_later_one(
    endpoints: Endpoints, store: FeatureStore
) -> None:
    """Correcting a day after the next one was written leaves the next one's state online."""
    objects, table = object_store(endpoints), history()
    put_days(objects, table)
    before = DAY - timedelta(days=1)
    run_daily(objects, store, before)
    run_daily(objects, store, DAY)
    put_days(objects, table.with_columns(pl.col("amount_minor") + 1))
    result = run_daily(objects, store, before)
    assert "user_history_state_v1" in result.corrected
    row = store.read_online(["u1"], ["m1"])[0]
    assert row.history is not None
    assert row.history.watermark_day == day_number(START) + 6


def test_an_entity_that_is_quiet_keeps_a_fresh_state(
    endpoints: Endpoints, store: FeatureStore
) -> None:
    """Somebody without activity in the window gets an empty state a day, and is not stale."""
    objects = object_store(endpoints)
    put_days(objects, transactions([("t1", START, "u1", "m1", 100)]))
    later = (START + timedelta(days=120)).date()
    run_daily(objects, store, later)
    row = store.read_online(["u1"], ["m1"])[0]
    assert row.history is not None
    assert row.merchant is not None
    assert (row.history.watermark_day, len(row.history.days)) == (day_number(START) + 120, 0)
    assert row.merchant.as_of_hour == (day_number(START) + 120) * 24
    assert len(row.merchant.days) == 0


def test_no_data_is_said_so(endpoints: Endpoints, store: FeatureStore) -> None:
    """Without validated days the job says which step comes first."""
    with pytest.raises(NotFound, match="run the validate step first"):
        run_daily(object_store(endpoints), store, DAY)


def test_two_long_lived_processes_may_take_turns(endpoints: Endpoints, store: FeatureStore) -> None:
    """A job that opened the store before another one materialized still can."""
    objects, other = object_store(endpoints), feature_store(endpoints)
    put_days(objects, history())
    for days, process in ((4, store), (5, other), (6, store), (7, other)):
        run_daily(objects, process, (START + timedelta(days=days)).date())
    row = store.read_online(["u1"], ["m1"])[0]
    assert row.history is not None
    assert row.history.watermark_day == day_number(START) + 7
    other.close()
