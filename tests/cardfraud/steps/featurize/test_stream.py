import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.errors import Unavailable
from cardfraud.features.online import UserState, user_aggregates
from cardfraud.features.user_stream import Outcome, UserStream
from cardfraud.steps.featurize.snapshots import run_daily
from cardfraud.steps.featurize.stream import Delivery, StreamWriter
from cardfraud_pipelines.local import Endpoints, pick_port
from tests.support.feature_stores import (
    START,
    day_number,
    feature_store,
    put_days,
    record,
    transactions,
)
from tests.support.stores import object_store

NOON = START + timedelta(hours=12)
NOON_US = int(NOON.timestamp()) * 1_000_000


@pytest.fixture
def store(endpoints: Endpoints) -> Iterator[FeatureStore]:
    """Return a store that is ready for use."""
    made = feature_store(endpoints)
    made.apply()
    yield made
    made.close()


def stored(store: FeatureStore, user: str = "u1") -> UserStream:
    """State of a user without its version, which follows the clock."""
    return replace(store.read_stream_states([user])[user], version_us=0)


def counted(store: FeatureStore, user: str = "u1") -> tuple[int, int]:
    """Transactions and minor units in all the day tiles of a user."""
    days = stored(store, user).days.values()
    return sum(tile.count for tile in days), sum(tile.total for tile in days)


def test_two_events_of_one_instant_both_count(store: FeatureStore) -> None:
    """Two events of a user at the same microsecond, in one batch or in two, both count."""
    writer = StreamWriter(store)
    same = [Delivery(0, i, record(f"t{i}", NOON, amount_minor=100 + i)) for i in range(3)]
    first = writer.write(same[:2])
    second = writer.write(same[2:])
    assert first.outcomes[Outcome.APPLIED] + second.outcomes[Outcome.APPLIED] == 3
    assert counted(store) == (3, 303)


def test_a_late_event_counts_on_its_own_day_and_a_very_late_one_is_set_aside(
    store: FeatureStore,
) -> None:
    """An event of the retained days joins its day's tile; an older one is counted as too late."""
    writer = StreamWriter(store)
    batch = [
        Delivery(0, 0, record("now", NOON + timedelta(days=5))),
        Delivery(0, 1, record("late", NOON + timedelta(days=3))),
        Delivery(0, 2, record("too late", NOON)),
    ]
    written = writer.write(batch)
    assert written.outcomes == {
        Outcome.APPLIED: 2,
        Outcome.TOO_LATE: 1,
        Outcome.DUPLICATE: 0,
        Outcome.REDELIVERED: 0,
        Outcome.TOO_EARLY: 0,
    }
    today = day_number(NOON) + 5
    assert {day: tile.count for day, tile in stored(store).days.items()} == {today - 2: 1, today: 1}


def test_a_duplicate_does_not_count_again(store: FeatureStore) -> None:
    """The same transaction sent twice, at two offsets, counts once."""
    writer = StreamWriter(store)
    writer.write([Delivery(0, 0, record("t1", NOON))])
    again = writer.write([Delivery(0, 1, record("t1", NOON)), Delivery(0, 2, record("t2", NOON))])
    assert again.outcomes[Outcome.DUPLICATE] == 1
    assert counted(store) == (2, 2_000)


def test_a_redelivered_batch_changes_nothing(store: FeatureStore) -> None:
    """A batch that was pushed but not acknowledged is delivered again, and nothing is written."""
    batch = [Delivery(0, i, record(f"t{i}", NOON, f"u{i % 2 + 1}")) for i in range(4)]
    StreamWriter(store).write(batch)
    before = store.read_stream_states(["u1", "u2"])
    again = StreamWriter(store).write(batch)
    assert again.outcomes[Outcome.REDELIVERED] == 4
    assert again.users == 0
    assert store.read_stream_states(["u1", "u2"]) == before


def test_an_event_from_the_future_is_set_aside_and_harms_no_later_event(
    store: FeatureStore,
) -> None:
    """Live, more than 5 minutes ahead of the clock is too early, and the true events still count.

    The batch's outcomes add up to it, and the event is not delivered again.
    """
    writer = StreamWriter(store, clock=lambda: NOON_US)
    ahead = timedelta(minutes=5)
    batch = [
        Delivery(0, 0, record("2090", NOON + timedelta(days=365 * 72))),
        Delivery(0, 1, record("ahead", NOON + ahead + timedelta(microseconds=1))),
        Delivery(0, 2, record("allowed", NOON + ahead)),
        Delivery(0, 3, record("now", NOON)),
    ]
    written = writer.write(batch)
    assert written.outcomes[Outcome.TOO_EARLY] == 2
    assert written.outcomes[Outcome.APPLIED] == 2
    assert sum(written.outcomes.values()) == len(batch)
    assert counted(store) == (2, 2_000)
    assert stored(store).positions == {0: 3}
    assert writer.write(batch[:1]).outcomes[Outcome.REDELIVERED] == 1


def test_a_position_moves_past_an_event_from_the_future(store: FeatureStore) -> None:
    """Even where it is all of the batch it is acknowledged, and a redelivery is known as one."""
    writer = StreamWriter(store, clock=lambda: NOON_US)
    batch = [Delivery(0, 7, record("tomorrow", NOON + timedelta(days=1)))]
    acknowledged: list[bool] = []
    assert writer.write(batch, lambda: acknowledged.append(True)).users == 1
    assert acknowledged == [True]
    assert stored(store) == UserStream(positions={0: 7})


def test_a_replay_takes_any_time(store: FeatureStore) -> None:
    """A replay's events may lie after the writer's clock, wherever that stands."""
    writer = StreamWriter(store, clock=lambda: 0, mode="replay")
    written = writer.write([Delivery(0, 0, record("t1", NOON))])
    assert written.outcomes[Outcome.APPLIED] == 1
    assert counted(store) == (1, 1_000)


def test_versions_rise_when_the_clock_stands_still_or_falls(store: FeatureStore) -> None:
    """No event is lost to the store's dropping of what is not newer, whatever the clock does."""
    clock = iter([10**15, 10**15, 10**15 - 10**9, 10**14])
    writer = StreamWriter(store, clock=lambda: next(clock), mode="replay")
    for i in range(4):
        writer.write([Delivery(0, i, record(f"t{i}", NOON + timedelta(seconds=i)))])
    assert counted(store)[0] == 4
    assert store.read_stream_states(["u1"])["u1"].version_us == 10**15 + 3


def test_the_stream_is_acknowledged_after_the_push(store: FeatureStore) -> None:
    """When the acknowledgement is given the state is already there."""
    seen: list[tuple[int, int]] = []
    StreamWriter(store).write(
        [Delivery(0, 0, record("t1", NOON))], acknowledge=lambda: seen.append(counted(store))
    )
    assert seen == [(1, 1_000)]


def test_nothing_is_acknowledged_when_the_store_is_down(endpoints: Endpoints) -> None:
    """An unreachable store raises, and the batch stays with the stream."""
    made = feature_store(endpoints)
    made.apply()
    settings = made.settings.model_copy(update={"redis_port": pick_port()})
    writer = StreamWriter(FeatureStore(settings, object_store(endpoints).settings))
    acknowledged: list[bool] = []
    with pytest.raises(Unavailable):
        writer.write([Delivery(0, 0, record("t1", NOON))], lambda: acknowledged.append(True))
    assert acknowledged == []


KILLED_WRITER = """
import os, signal, sys
from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings
from cardfraud.adapters.object_store import ObjectStoreSettings
from cardfraud.steps.featurize.stream import Delivery, StreamWriter
from tests.support.feature_stores import START, record

moment = sys.argv[1]

class Dying(FeatureStore):
    def push_stream_states(self, states):
        if moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().push_stream_states(states)
        os.kill(os.getpid(), signal.SIGKILL)

store = Dying(FeatureStoreSettings(), ObjectStoreSettings())
batch = [Delivery(0, i, record(f"t{i}", START, f"u{i % 2 + 1}")) for i in range(6)]
StreamWriter(store).write(batch, lambda: print("acknowledged"))
"""


@pytest.mark.parametrize(("moment", "applied"), [("before", 6), ("after", 0)])
def test_a_writer_killed_around_the_push_loses_and_doubles_nothing(
    endpoints: Endpoints, store: FeatureStore, moment: str, applied: int
) -> None:
    """A process killed between read and write, or before it could acknowledge, is made good."""
    environment = {
        "CARDFRAUD_FEAST_PROJECT": store.settings.project,
        "CARDFRAUD_FEAST_REDIS_HOST": endpoints.redis_host,
        "CARDFRAUD_FEAST_REDIS_PORT": str(endpoints.redis_port),
        "CARDFRAUD_FEAST_REDIS_PASSWORD": endpoints.redis_password,
        "CARDFRAUD_S3_BUCKET": endpoints.bucket,
        "CARDFRAUD_S3_ENDPOINT_URL": endpoints.s3_url,
        "CARDFRAUD_S3_ACCESS_KEY_ID": endpoints.s3_access_key,
        "CARDFRAUD_S3_SECRET_ACCESS_KEY": endpoints.s3_secret_key,
        "PYTHONPATH": ":".join(sys.path),
    }
    process = subprocess.run(
        [sys.executable, "-c", KILLED_WRITER, moment],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert process.stdout == ""
    batch = [Delivery(0, i, record(f"t{i}", START, f"u{i % 2 + 1}")) for i in range(6)]
    again = StreamWriter(store).write(batch)
    assert again.outcomes[Outcome.APPLIED] == applied
    assert (counted(store, "u1"), counted(store, "u2")) == ((3, 3_000), (3, 3_000))


def test_the_watermark_may_move_while_the_stream_runs(
    endpoints: Endpoints, store: FeatureStore
) -> None:
    """However the daily job's days and the stream's overlap, each event counts exactly once."""
    objects, writer = object_store(endpoints), StreamWriter(store)
    rows = [
        (f"t{i}", START + timedelta(hours=7 * i), "u1", "m1", 100 + i) for i in range(24)
    ]  # a week
    put_days(objects, transactions(rows))
    materialized = START.date()
    for i, (name, when, user, merchant, amount) in enumerate(rows):
        while when.date() > materialized and i % 3 == 2:  # the job is late now and then
            materialized += timedelta(days=1)
            run_daily(objects, store, materialized)
        row = store.read_online([user], [merchant])[0]
        now_us = int(when.timestamp() * 1_000_000)
        found = user_aggregates([UserState(row.history, row.stream)], [now_us]).history
        expected = sum(row[4] for row in rows[:i])
        assert (int(found.count[0]), int(found.total[0])) == (i, expected)
        writer.write([Delivery(0, i, record(name, when, user, merchant, amount))])
    assert materialized > START.date() + timedelta(days=4)
