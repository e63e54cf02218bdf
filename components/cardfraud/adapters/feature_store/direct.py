"""Reads online state straight from Redis, in the layout that Feast's Redis store writes.

Feast's SDK spends most of a read on its own bookkeeping; this reads the same bytes with two
commands for each transaction, all of them in one round trip. Nothing is written here.

Layout (Feast 0.67, ``feast.infra.online_stores.redis``, key serialization 3): one hash for each
entity. Its key is the serialized entity key followed by the project's name; a feature's field is
the MurmurHash3 of ``view:feature``, 4 bytes little-endian; its value is a ``feast.types.Value``
message. A test holds every one of these against Feast's own code.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from cardfraud.adapters.feature_store.online import OnlineRow, translated
from cardfraud.adapters.feature_store.redis_connections import RedisConnections, command
from cardfraud.adapters.feature_store.settings import FeatureStoreSettings
from cardfraud.contracts.features import StateView
from cardfraud.errors import IntegrityError
from cardfraud.features.definitions import MERCHANT_STATE, USER_HISTORY_STATE, USER_STREAM_STATE
from cardfraud.features.merchant_state import MerchantState
from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import StreamView

Decoded = TypeVar("Decoded")

_FEATURE: Final = "state"
_NO_HASH: Final = "WRONGTYPE"
_STRING: Final = 2
"""``ValueType.STRING`` of Feast's Value.proto."""
_BYTES_FIELD: Final = 0x0A
"""Tag of ``Value.bytes_val``: field 1, length-delimited (Protocol Buffers, "Encoding")."""


class DirectReader:
    """A connection pool and the keys; used from one event loop."""

    def __init__(self, settings: FeatureStoreSettings) -> None:
        """Keep the settings; the first read connects."""
        self._connections = RedisConnections(settings)
        self._part = settings.online_store
        self._project = settings.project.encode()
        self._user_prefix, self._merchant_prefix = key_prefix("user_id"), key_prefix("merchant_id")
        self._user_fields = (field_of(USER_HISTORY_STATE), field_of(USER_STREAM_STATE))
        self._merchant_field = field_of(MERCHANT_STATE)

    async def read(self, user_ids: Sequence[str], merchant_ids: Sequence[str]) -> list[OnlineRow]:
        """Read the state of N requests' users and merchants in one round trip.

        Args:
            user_ids: N users.
            merchant_ids: N merchants, in the same order.

        Raises:
            Unavailable: Redis does not answer.
            IntegrityError: a stored blob is not one of this version.
        """
        rows: list[OnlineRow] = []
        for row in await self.read_each(user_ids, merchant_ids):
            if isinstance(row, IntegrityError):
                raise row
            rows.append(row)
        return rows

    async def read_each(
        self, user_ids: Sequence[str], merchant_ids: Sequence[str]
    ) -> list[OnlineRow | IntegrityError]:
        """Do the same; a request whose state is damaged gets the error in place of a row.

        Raises:
            Unavailable: Redis does not answer.
        """
        project = self._project
        commands: list[bytes] = []
        for user, merchant in zip(user_ids, merchant_ids, strict=True):
            key = self._user_prefix + tail(user) + project
            commands.append(command(b"HMGET", key, *self._user_fields))
            key = self._merchant_prefix + tail(merchant) + project
            commands.append(command(b"HGET", key, self._merchant_field))
        with translated(self._part):
            answers = await self._connections.ask(b"".join(commands), len(commands))
            for answer in answers:
                # One key that is no hash is one damaged state; any other error is Redis's.
                if isinstance(answer, Exception) and not str(answer).startswith(_NO_HASH):
                    raise answer
        return [
            _row(user, merchant) for user, merchant in zip(answers[::2], answers[1::2], strict=True)
        ]

    async def has_all(self, keys: Sequence[bytes]) -> bool:
        """Whether the store has each of one or more keys.

        Raises:
            Unavailable: Redis does not answer.
        """
        with translated(self._part):
            (answer,) = await self._connections.ask(command(b"EXISTS", *keys), 1)
            if isinstance(answer, Exception):
                raise answer
        return bool(answer == len(keys))

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()


def key_prefix(join_key: str) -> bytes:
    """Return what every key of an entity with one join key begins with."""
    name = join_key.encode()
    return struct.pack("<III", 1, _STRING, len(name)) + name


def tail(value: str) -> bytes:
    """Return how the value of the join key goes on after the prefix."""
    content = value.encode()
    return struct.pack("<II", _STRING, len(content)) + content


def field_of(view: StateView) -> bytes:
    """Return the field of a view's state in the hash of its entity."""
    import mmh3

    return struct.pack("<I", mmh3.hash(f"{view.name}:{_FEATURE}", signed=False))


def blob_of(message: bytes) -> bytes | None:
    """Return ``bytes_val`` of a serialized ``feast.types.Value``; None where it has no content.

    Raises:
        IntegrityError: it holds another kind of value.
    """
    if not message:
        return None
    length = shift = 0
    position = 1
    while True:  # a varint: seven bits a byte, the lowest first
        if message[0] != _BYTES_FIELD or position >= len(message):
            raise IntegrityError("online state", "a value of bytes", repr(message[:8]))
        byte = message[position]
        position += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    if len(message) != position + length:
        raise IntegrityError("online state", f"{length} bytes", f"{len(message) - position} bytes")
    return message[position:]


def _row(user: Any, merchant: Any) -> OnlineRow | IntegrityError:
    """Return a row from two replies; Redis answers a key that is no hash with an error."""
    for reply in (user, merchant):
        if isinstance(reply, Exception):
            return IntegrityError("online state", "a hash of Feast's", type(reply).__name__)
    try:
        return OnlineRow(
            _state(user[0], UserHistory.decode),
            _state(user[1], StreamView.decode),
            _state(merchant, MerchantState.decode),
        )
    except IntegrityError as error:
        return error


def _state(message: bytes | None, decode: Callable[[bytes], Decoded]) -> Decoded | None:
    blob = None if message is None else blob_of(message)
    return None if blob is None else decode(blob)
