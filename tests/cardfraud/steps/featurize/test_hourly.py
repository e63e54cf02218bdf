import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.errors import InvalidInput
from cardfraud.features.definitions import MERCHANT_STATE
from cardfraud.features.merchant_state import MerchantState
from cardfraud.steps.featurize.hourly import main
from cardfraud.steps.featurize.snapshots import materialize_day, run_daily, run_hourly
from cardfraud_pipelines.local import Endpoints
from tests.support.feature_stores import (
    START,
    day_number,
    feature_store,
    labels,
    put_days,
    transactions,
)
from tests.support.stores import object_store

PAID = START + timedelta(hours=10, minutes=20)
TODAY = START + timedelta(days=7)
KEY = keys.partition(keys.state_folder(MERCHANT_STATE.name), TODAY.date())
TABLE = transactions(
    [
        ("t0", PAID, "u1", "m1", 100),
        ("t1", PAID + timedelta(hours=1), "u1", "m1", 100),
        ("t2", PAID, "u2", "m2", 100),
    ]
)


@pytest.fixture
def store(endpoints: Endpoints) -> Iterator[FeatureStore]:
    """Return a store that is ready for use."""
    made = feature_store(endpoints)
    made.apply()
    yield made
    made.close()


@pytest.fixture
def objects(endpoints: Endpoints) -> ObjectStore:
    """A bucket with three payments, of which the first is known as fraud after the delay."""
    made = object_store(endpoints)
    put_days(made, TABLE, labels([("t0", True, PAID + timedelta(days=7), 0)]))
    return made


def at(hour: int) -> datetime:
    """Beginning of an hour of today."""
    return TODAY + timedelta(hours=hour)


def online(store: FeatureStore, merchant: str = "m1") -> MerchantState:
    """What the online store has of a merchant."""
    state = store.read_online(["u1"], [merchant])[0].merchant
    assert state is not None
    return state


def test_each_hour_knows_what_has_come_through_the_delay(
    objects: ObjectStore, store: FeatureStore
) -> None:
    """At ten nothing has, at eleven the fraud, at twelve the payment after it."""
    run_daily(objects, store, TODAY.date())
    today = day_number(TODAY)
    found = []
    for hour in (10, 11, 12):
        result = run_hourly(objects, store, at(hour))
        assert (result.hour, result.merchants, result.superseded) == (at(hour), 2, False)
        assert online(store).as_of_hour == today * 24 + hour
        found.append((online(store).window(today, 1), online(store).streak(today)))
    assert found == [
        ((0, 0), (0, 0, 0, 0)),
        ((1, 1), (0, 1, 7, 100)),
        ((2, 1), (7, 0, 0, 0)),
    ]
    assert online(store, "m2").window(today, 1) == (1, 0)


def test_the_users_half_is_left_alone(objects: ObjectStore, store: FeatureStore) -> None:
    """The hourly job refreshes merchants; users keep their daily state and the stream's."""
    run_daily(objects, store, TODAY.date())
    before = store.read_online(["u1"], ["m1"])[0].history
    run_hourly(objects, store, at(5))
    after = store.read_online(["u1"], ["m1"])[0].history
    assert before is not None
    assert after is not None
    assert after.encode() == before.encode()


def test_an_hour_again_writes_no_byte(objects: ObjectStore, store: FeatureStore) -> None:
    """The same data gives the same snapshot, and its time stays what it was."""
    run_hourly(objects, store, at(11))
    before = objects.get(KEY)
    run_hourly(objects, store, at(11))
    assert objects.get(KEY) == before


def test_an_earlier_hour_does_not_replace_a_later_one(
    objects: ObjectStore, store: FeatureStore
) -> None:
    """Neither in the object store nor online, and the job says that it changed nothing."""
    run_hourly(objects, store, at(12))
    before = objects.get(KEY)
    assert run_hourly(objects, store, at(11)).superseded
    daily = run_daily(objects, store, TODAY.date())
    assert daily.corrected == ()
    assert objects.get(KEY) == before
    assert online(store).as_of_hour == day_number(TODAY) * 24 + 12


def test_a_corrected_hour_reaches_the_online_store(
    objects: ObjectStore, store: FeatureStore
) -> None:
    """A label that came in late is known after the job was run for the same hour again."""
    today = day_number(TODAY)
    run_hourly(objects, store, at(12))
    put_days(objects, TABLE, labels([("t1", True, PAID + timedelta(days=1), 0)]))
    run_hourly(objects, store, at(12))
    assert online(store).window(today, 1) == (2, 1)
    assert online(store).streak(today)[0] == 7
    run_hourly(objects, store, at(13))
    assert online(store).as_of_hour == today * 24 + 13


def test_an_online_store_that_lost_everything_gets_the_latest_hour(
    endpoints: Endpoints, objects: ObjectStore, store: FeatureStore
) -> None:
    """Materializing the day brings back what the last hourly job knew; so does its next run."""
    run_daily(objects, store, TODAY.date())
    run_hourly(objects, store, at(12))
    project = store.settings.project.encode()
    client = endpoints.redis_client()

    def lose() -> None:
        lost = [key for key in client.scan_iter() if project in key]
        assert lost
        client.delete(*lost)
        assert store.read_online(["u1"], ["m1"])[0].merchant is None

    lose()
    materialize_day(store, TODAY.date())
    assert online(store).as_of_hour == day_number(TODAY) * 24 + 12
    lose()
    run_hourly(objects, store, at(12))
    assert online(store).as_of_hour == day_number(TODAY) * 24 + 12


@pytest.mark.parametrize(
    "hour",
    [
        at(10) + timedelta(minutes=1),
        at(10) + timedelta(microseconds=1),
        at(10).replace(tzinfo=None),
    ],
)
def test_only_full_hours_with_a_zone_are_taken(
    objects: ObjectStore, store: FeatureStore, hour: datetime
) -> None:
    """A moment within an hour would make a state that no training row has seen."""
    with pytest.raises(InvalidInput, match="full UTC hour"):
        run_hourly(objects, store, hour)
    assert not list(objects.keys("features/state/"))


def test_the_job_is_a_command(
    endpoints: Endpoints,
    objects: ObjectStore,
    store: FeatureStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It takes an hour in any zone, finds the stores by their variables, and prints what it did."""
    variables = endpoints.settings_environment(feast_project=store.settings.project)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["--hour", at(11).astimezone(UTC).isoformat().replace("+00:00", "Z")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["merchants"], result["superseded"]) == (2, False)
    assert online(store).as_of_hour == day_number(TODAY) * 24 + 11


def test_the_snapshot_says_when_it_was_known(objects: ObjectStore, store: FeatureStore) -> None:
    """Its rows carry the hour as their time, which Feast compares."""
    run_hourly(objects, store, at(11))
    times = objects.get_frame(KEY)["event_timestamp"]
    assert times.unique().to_list() == [at(11)]
    assert times.dtype == pl.Datetime("us", "UTC")
