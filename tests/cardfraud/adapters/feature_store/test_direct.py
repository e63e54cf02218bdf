"""The direct reader against Feast's own code and Feast's own answers."""

import asyncio
import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.adapters.feature_store import FeatureStore, OnlineRow
from cardfraud.adapters.feature_store.configuration import KEY_SERIALIZATION
from cardfraud.adapters.feature_store.direct import (
    DirectReader,
    blob_of,
    field_of,
    key_prefix,
    tail,
)
from cardfraud.contracts.features import StateView
from cardfraud.errors import IntegrityError, Unavailable
from cardfraud.features.definitions import STATE_VIEWS
from cardfraud.features.user_stream import Event, UserStream, apply
from cardfraud.steps.featurize.snapshots import run_daily
from cardfraud_pipelines.local import Endpoints, pick_port
from tests.support.feature_stores import START, feature_store, history, put_days
from tests.support.stores import object_store

ANY_ID = st.text(min_size=0, max_size=64)


@given(value=ANY_ID, project=st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True))
@pytest.mark.parametrize("join_key", ["user_id", "merchant_id"])
def test_keys_are_those_that_feast_makes(join_key: str, value: str, project: str) -> None:
    """Prefix, value and project make the bytes that Feast's Redis store would look up."""
    from feast.infra.online_stores.helpers import _redis_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    entity = EntityKey(join_keys=[join_key], entity_values=[Value(string_val=value)])
    expected = _redis_key(project, entity, KEY_SERIALIZATION)
    assert key_prefix(join_key) + tail(value) + project.encode() == expected


@pytest.mark.parametrize("view", STATE_VIEWS, ids=lambda view: view.name)
def test_fields_are_those_that_feast_makes(view: StateView) -> None:
    """A view's field in the hash is the one that Feast computes."""
    from feast.infra.online_stores.helpers import _mmh3

    assert field_of(view) == _mmh3(f"{view.name}:state")


@given(st.binary(min_size=0, max_size=5_000))
def test_values_are_read_as_feast_writes_them(content: bytes) -> None:
    """Any bytes come out as they went into Feast's message; a message without value has none."""
    from feast.protos.feast.types.Value_pb2 import Value

    assert blob_of(Value(bytes_val=content).SerializeToString()) == content
    assert blob_of(Value().SerializeToString()) is None


@given(st.binary(min_size=1, max_size=20))
def test_other_messages_are_refused_or_read_alike(message: bytes) -> None:
    """Whatever is stored, it is read as Feast reads it, or refused; nothing else is raised."""
    from feast.protos.feast.types.Value_pb2 import Value
    from google.protobuf.message import DecodeError

    try:
        found = blob_of(message)
    except IntegrityError:
        return
    parsed = Value()
    try:
        parsed.ParseFromString(message)
    except DecodeError:
        pytest.fail("read what Feast cannot")
    assert parsed.bytes_val == found


def read_both(store: FeatureStore, users: list[str], merchants: list[str]) -> None:
    """Ask both readers on one event loop and compare them to the last byte."""
    through_feast = FeatureStore(
        store.settings.model_copy(update={"online_reader": "feast"}), store._objects.settings
    )

    async def both() -> tuple[list[OnlineRow], list[OnlineRow]]:
        try:
            return (
                await store.read_online_async(users, merchants),
                await through_feast.read_online_async(users, merchants),
            )
        finally:
            await store.close_async()
            await through_feast.close_async()

    direct, feast = asyncio.run(both())
    assert len(direct) == len(users)
    for one, other in zip(direct, feast, strict=True):
        for name in ("history", "stream", "merchant"):
            mine, theirs = getattr(one, name), getattr(other, name)
            assert (mine is None) == (theirs is None), name
            if mine is not None:
                assert _bytes(mine) == _bytes(theirs), name


def _bytes(state: object) -> dict[str, object]:
    fields = {one.name: getattr(state, one.name) for one in dataclasses.fields(state)}  # type: ignore[arg-type]
    return {
        name: value.tobytes() if hasattr(value, "tobytes") else value
        for name, value in fields.items()
    }


def test_both_readers_give_the_same_rows(endpoints: Endpoints) -> None:
    """Daily state, streamed state, one of both, none: the same rows in the same order."""
    store = feature_store(endpoints)
    store.apply()
    objects = object_store(endpoints)
    put_days(objects, history())
    run_daily(objects, store, (START + timedelta(days=6)).date())
    streamed, _ = apply(UserStream(), Event(0, 1, int(START.timestamp()) * 1_000_000, 100, 7))
    odd = "~user: with 'signs' {and} spaces " + "x" * 31
    version = dataclasses.replace(streamed, version_us=5)
    store.push_stream_states({"u1": version, "only-streamed": version, odd: version})
    users = ["u1", "u2", "only-streamed", odd, "nobody", "u1"]
    merchants = ["m1", "m2", "nowhere", "m1", "m2", "m1"]
    read_both(store, users, merchants)

    async def rows() -> list[OnlineRow]:
        try:
            return await store.read_online_async(users, merchants)
        finally:
            await store.close_async()

    found = [
        (row.history is not None, row.stream is not None, row.merchant is not None)
        for row in asyncio.run(rows())
    ]
    assert found[0] == (True, True, True)
    assert found[2] == (False, True, False)
    assert found[4] == (False, False, True)


@pytest.mark.parametrize("reader", ["direct", "feast"])
def test_a_damaged_state_is_its_own_requests_error(endpoints: Endpoints, reader: str) -> None:
    """Foreign bytes, and a key that is no hash: the others of the same read get their rows."""
    settings = feature_store(endpoints).settings
    store = FeatureStore(
        settings.model_copy(update={"online_reader": reader}), object_store(endpoints).settings
    )
    store.apply()
    state, _ = apply(UserStream(), Event(0, 1, int(START.timestamp()) * 1_000_000, 100, 7))
    store.push_stream_states({"u1": dataclasses.replace(state, version_us=5)})
    redis = endpoints.redis_client()
    project = settings.project.encode()
    key = key_prefix("user_id") + tail("damaged") + project
    redis.hset(key, field_of(STATE_VIEWS[0]), b"\x0a\x03foo")
    redis.hset(key, f"_ts:{STATE_VIEWS[0].name}", b"\x08\x01")
    users = ["u1", "damaged", "nobody"]
    if reader == "direct":
        redis.set(key_prefix("user_id") + tail("no-hash") + project, b"text")
        users.append("no-hash")
    redis.close()

    async def read() -> list[OnlineRow | IntegrityError]:
        try:
            return await store.read_online_each(users, ["m1"] * len(users))
        finally:
            await store.close_async()

    first, damaged, nobody, *others = asyncio.run(read())
    assert isinstance(first, OnlineRow)
    assert first.stream is not None
    assert isinstance(damaged, IntegrityError)
    assert nobody == OnlineRow()
    assert [type(other) for other in others] == [IntegrityError] * len(others)


def test_no_redis_is_unavailable_and_tells_no_password(endpoints: Endpoints) -> None:
    """Nothing listens: the error names the address and nothing else."""
    settings = feature_store(endpoints).settings.model_copy(update={"redis_port": pick_port()})

    async def ask() -> None:
        reader = DirectReader(settings)
        try:
            await reader.read(["u1"], ["m1"])
        finally:
            await reader.close()

    with pytest.raises(Unavailable, match=settings.online_store) as caught:
        asyncio.run(ask())
    assert settings.redis_password is not None
    assert settings.redis_password.get_secret_value() not in str(caught.value)


def test_a_wrong_password_is_unavailable(endpoints: Endpoints) -> None:
    """A server that refuses the password counts as one that does not answer."""
    from pydantic import SecretStr

    settings = feature_store(endpoints).settings
    wrong = settings.model_copy(update={"redis_password": SecretStr("not the password")})

    async def ask() -> None:
        reader = DirectReader(wrong)
        try:
            await reader.read(["u1"], ["m1"])
        finally:
            await reader.close()

    with pytest.raises(Unavailable):
        asyncio.run(ask())
