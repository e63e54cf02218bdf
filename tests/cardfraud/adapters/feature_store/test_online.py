import asyncio
import dataclasses
from datetime import timedelta

import pytest
from pydantic import ValidationError

from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings, OnlineRow
from cardfraud.adapters.object_store import ObjectStoreSettings
from cardfraud.errors import IntegrityError, InvalidInput, Unavailable
from cardfraud.features.health import judge
from cardfraud.features.user_stream import Event, UserStream, apply
from cardfraud.steps.featurize.snapshots import run_daily, run_hourly
from cardfraud_pipelines.local import Endpoints, pick_port
from tests.support.feature_stores import START, feature_store, history, put_days
from tests.support.stores import object_store

START_US = int(START.timestamp()) * 1_000_000


@pytest.fixture
def store(endpoints: Endpoints) -> FeatureStore:
    """Return a store that is ready for use."""
    made = feature_store(endpoints)
    made.apply()
    return made


def streamed(amount: int, version_us: int) -> UserStream:
    """Return the state after one event."""
    state, _ = apply(UserStream(), Event(0, 1, START_US, amount, 7))
    return dataclasses.replace(state, version_us=version_us)


def test_absent_entities_have_no_state_and_are_called_missing(store: FeatureStore) -> None:
    """Feast calls an absent entity PRESENT; here it has no state and is judged missing."""
    rows = store.read_online(["nobody", "u1"], ["nowhere", "m1"])
    assert rows == [OnlineRow(), OnlineRow()]
    health = judge(rows[0].history, rows[0].stream, rows[0].merchant, START_US)
    assert health.missing == ("user", "merchant")
    assert not health.degraded


def test_a_store_that_nobody_filled_is_told_from_one_that_knows_no_such_entity(
    endpoints: Endpoints, store: FeatureStore
) -> None:
    """Each job leaves a mark for what it fills; without it, what a row lacks may be lost."""
    objects = object_store(endpoints)
    put_days(objects, history())
    day = START + timedelta(days=6)

    def lost(user: str, merchant: str) -> bool:
        async def asked() -> bool:
            try:
                return await store.has_lost(await store.read_online_async([user], [merchant]))
            finally:
                await store.close_async()

        return asyncio.run(asked())

    store.push_stream_states({"u1": streamed(100, START_US)})
    assert lost("nobody", "nowhere")
    assert lost("u1", "m1")
    run_hourly(objects, store, day)
    assert lost("nobody", "m1")
    run_daily(objects, store, day.date())
    assert not lost("nobody", "nowhere")
    assert not lost("u1", "nowhere")
    endpoints.redis_client().delete(f"cardfraud:filled:{store.settings.project}:merchant_state_v3")
    assert lost("u1", "nowhere")
    assert not lost("nobody", "m1")


def test_pushed_state_comes_back(store: FeatureStore) -> None:
    """What was pushed of some users is read again, and others stay absent."""
    states = {f"u{i}": streamed(100 + i, START_US + i) for i in range(1, 4)}
    store.push_stream_states(states)
    assert store.read_stream_states(["u1", "u2", "u3", "u4"]) == states
    row = store.read_online(["u2"], ["m1"])[0]
    assert row.stream is not None
    assert row.stream.version_us == START_US + 2


def test_pushes_larger_than_a_micro_batch_lose_nobody(endpoints: Endpoints) -> None:
    """A push of more users than a micro-batch holds writes every one of them."""
    small = feature_store(endpoints)
    small.apply()
    settings = small.settings.model_copy(update={"push_batch": 3})
    batched = FeatureStore(settings, object_store(endpoints).settings)
    states = {f"u{i}": streamed(i, START_US) for i in range(10)}
    batched.push_stream_states(states)
    assert small.read_stream_states(list(states)) == states


def test_a_state_pushed_twice_or_late_does_not_replace_a_newer_one(store: FeatureStore) -> None:
    """The store keeps the state with the highest version, in whatever order they arrive."""
    newer, older = streamed(200, START_US + 5), streamed(100, START_US + 4)
    for state in (newer, newer, older):
        store.push_stream_states({"u1": state})
    assert store.read_stream_states(["u1"]) == {"u1": newer}


def test_reading_on_an_event_loop_gives_the_same(store: FeatureStore) -> None:
    """The asynchronous reader answers as the synchronous one does."""
    store.push_stream_states({"u1": streamed(200, START_US)})

    async def read() -> list[OnlineRow]:
        try:
            return await store.read_online_async(["u1", "u2"], ["m1", "m2"])
        finally:
            await store.close_async()

    answered = asyncio.run(read())
    assert answered[0].stream is not None
    assert answered[0].stream.positions == {0: 1}
    assert answered[1] == OnlineRow()


def test_reading_nobody_asks_nobody() -> None:
    """An empty batch needs no server."""
    unreachable = FeatureStore(FeatureStoreSettings(redis_port=1), object_store_settings())
    assert unreachable.read_online([], []) == []
    assert unreachable.read_stream_states([]) == {}


def object_store_settings() -> ObjectStoreSettings:
    """Return settings of a place that nobody calls."""
    return ObjectStoreSettings(
        endpoint_url="http://127.0.0.1:1", access_key_id="none", secret_access_key="none"
    )


def test_state_past_its_ttl_is_flagged_and_not_served(
    endpoints: Endpoints, store: FeatureStore
) -> None:
    """Feast serves a value of any age; here it is stale two days after its midnight, exactly."""
    objects = object_store(endpoints)
    put_days(objects, history())
    day = (START + timedelta(days=6)).date()
    run_daily(objects, store, day)
    row = store.read_online(["u1"], ["m1"])[0]
    limit_us = START_US + (6 + 2) * 86_400_000_000
    fresh = judge(row.history, row.stream, row.merchant, limit_us)
    assert (fresh.stale, fresh.age_seconds) == ((), 2 * 86_400.0)
    old = judge(row.history, row.stream, row.merchant, limit_us + 1)
    assert old.stale == ("user_history_state_v1", "merchant_state_v3")
    assert (old.user.history, old.merchant, old.missing) == (None, None, ())


def test_foreign_bytes_in_the_store_are_an_integrity_error(
    endpoints: Endpoints, store: FeatureStore
) -> None:
    """A blob that is not one of this version is not computed with."""
    store.push_stream_states({"u1": streamed(1, START_US)})
    client = endpoints.redis_client()
    for key in client.scan_iter():
        if key.endswith(store.settings.project.encode()):
            for field, value in client.hgetall(key).items():
                if not field.startswith(b"_ts"):
                    client.hset(key, field, value.replace(b"\x01", b"\x09", 1))
    with pytest.raises(IntegrityError, match="user stream state"):
        store.read_online(["u1"], ["m1"])


def test_redis_that_is_down_is_unavailable(endpoints: Endpoints) -> None:
    """Without Redis every call says so, names the place, and hides the password."""
    feature_store(endpoints).apply()
    settings = feature_store(endpoints).settings.model_copy(update={"redis_port": pick_port()})
    down = FeatureStore(settings, object_store(endpoints).settings)
    with pytest.raises(Unavailable, match=f":{settings.redis_port}") as caught:
        down.read_online(["u1"], ["m1"])
    assert endpoints.redis_password not in str(caught.value)
    with pytest.raises(Unavailable):
        down.push_stream_states({"u1": streamed(1, START_US)})


def test_a_wrong_password_is_unavailable(endpoints: Endpoints) -> None:
    """A password that Redis refuses is an error of the store, not of the request."""
    feature_store(endpoints).apply()
    settings = FeatureStoreSettings(
        **feature_store(endpoints).settings.model_dump(exclude={"redis_password"}),
        redis_password="1e3",
    )
    refused = FeatureStore(settings, object_store(endpoints).settings)
    with pytest.raises(Unavailable, match="AuthenticationError"):
        refused.read_online(["u1"], ["m1"])


@pytest.mark.parametrize("password", ["1e3", "007", "true", "a=b", 'quo"te', "ünicode"])
def test_feast_reads_the_password_that_was_set(password: str) -> None:
    """A password that looks like a number or holds odd characters arrives as the same text."""
    from feast.infra.online_stores.redis import RedisOnlineStore

    text = FeatureStoreSettings(redis_password=password).connection_string()
    nodes, options = RedisOnlineStore._parse_connection_string(text)
    assert nodes == [{"host": "127.0.0.1", "port": "6379"}]
    assert options["password"] == password


def test_a_password_that_feast_cannot_carry_is_refused() -> None:
    """A comma would cut the connection string, so it is refused by name, unseen."""
    with pytest.raises(ValidationError, match="must not contain a comma"):
        FeatureStoreSettings(redis_password="se,cret")


def test_materialize_needs_two_aware_moments_in_order(store: FeatureStore) -> None:
    """A naive moment, or an end before the start, is refused before anything is read."""
    with pytest.raises(InvalidInput):
        store.materialize(START, START - timedelta(seconds=1))
    with pytest.raises(InvalidInput):
        store.materialize(START.replace(tzinfo=None), START)
