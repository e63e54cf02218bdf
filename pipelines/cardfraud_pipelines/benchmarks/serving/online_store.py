"""Filling the online store as Feast lays it out, fast enough for a million users."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from cardfraud.contracts.features import StateView
from cardfraud.features.definitions import MERCHANT_STATE, USER_HISTORY_STATE, USER_STREAM_STATE
from cardfraud_pipelines.benchmarks.serving.world import World, user_name

_CHUNK: Final = 500
"""Entities that one round trip writes."""

Entry = tuple[bytes, dict[Any, bytes]]
"""Key of a hash, and its fields."""


def fill(client: Any, project: str, world: World, *, users: int) -> None:
    """Write the state of users and merchants.

    Feast would read the time of every entity first and go through data frames.

    Args:
        client: of redis-py.
        project: Feast's, part of every key.
        world: whose state; it is repeated where there are more users than it has.
        users: how many users the store shall hold.
    """
    entries = _entries(project, world, users)
    while chunk := list(islice(entries, _CHUNK)):
        with client.pipeline(transaction=False) as pipe:
            for key, fields in chunk:
                pipe.hset(key, mapping=fields)
            pipe.execute()


def _entries(project: str, world: World, users: int) -> Iterator[Entry]:
    from feast.infra.online_stores.helpers import _redis_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    from cardfraud.adapters.feature_store.configuration import KEY_SERIALIZATION

    def key(join_key: str, name: str) -> bytes:
        entity = EntityKey(join_keys=[join_key], entity_values=[Value(string_val=name)])
        return bytes(_redis_key(project, entity, KEY_SERIALIZATION))

    known = [
        _fields(
            (USER_HISTORY_STATE, world.histories.get(name), world.midnight_us),
            (USER_STREAM_STATE, world.streams.get(name), world.noon_us),
        )
        for name in map(user_name, range(world.users))
    ]
    for number in range(users):
        yield key("user_id", user_name(number)), known[number % world.users]
    for name, state in world.merchants.items():
        yield key("merchant_id", name), _fields((MERCHANT_STATE, state, world.noon_us))


def _fields(*states: tuple[StateView, bytes | None, int]) -> dict[Any, bytes]:
    """Fields of one entity's hash: of each state its bytes and the time that it is from."""
    from feast.infra.online_stores.helpers import _mmh3
    from feast.protos.feast.types.Value_pb2 import Value
    from google.protobuf.timestamp_pb2 import Timestamp

    fields: dict[Any, bytes] = {}
    for view, state, moment_us in states:
        if state is not None:
            moment = Timestamp()
            moment.FromMicroseconds(moment_us)
            fields[_mmh3(f"{view.name}:state")] = Value(bytes_val=state).SerializeToString()
            fields[f"_ts:{view.name}"] = moment.SerializeToString()
    return fields
