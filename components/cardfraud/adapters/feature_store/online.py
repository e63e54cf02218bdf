"""State of entities in the online store: decoding what Feast answers, encoding what it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from cardfraud.errors import Unavailable
from cardfraud.features.definitions import MERCHANT_STATE, USER_HISTORY_STATE, USER_STREAM_STATE
from cardfraud.features.merchant_state import MerchantState
from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import StreamView, UserStream

Decoded = TypeVar("Decoded")

_FEATURE: Final = "state"
ALL_STATES: Final = tuple(
    f"{view.name}:{_FEATURE}" for view in (USER_HISTORY_STATE, USER_STREAM_STATE, MERCHANT_STATE)
)
"""Feast's references to the state that a request needs."""
STREAM_STATE: Final = f"{USER_STREAM_STATE.name}:{_FEATURE}"


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """State of one request's user and merchant, as stored; ``None`` where the store has none.

    Nothing is judged here: ``cardfraud.features.health`` tells what is too old for a request.
    """

    history: UserHistory | None = None
    stream: StreamView | None = None
    merchant: MerchantState | None = None


def decode_rows(response: Any) -> list[OnlineRow]:
    """Turn Feast's answer to :data:`ALL_STATES` into rows.

    Raises:
        IntegrityError: a stored blob is not one of this version.
    """
    columns = _columns(response)
    return [
        OnlineRow(history, stream, merchant)
        for history, stream, merchant in zip(
            _decoded(columns[USER_HISTORY_STATE.name], UserHistory.decode),
            _decoded(columns[USER_STREAM_STATE.name], StreamView.decode),
            _decoded(columns[MERCHANT_STATE.name], MerchantState.decode),
            strict=True,
        )
    ]


def decode_streams(response: Any, user_ids: Sequence[str]) -> dict[str, UserStream]:
    """Turn Feast's answer to :data:`STREAM_STATE` into states; users without one are left out."""
    column = _columns(response)[USER_STREAM_STATE.name]
    return {
        user: state
        for user, state in zip(user_ids, _decoded(column, UserStream.decode), strict=True)
        if state is not None
    }


def push_columns(states: Mapping[str, UserStream]) -> dict[str, list[Any]]:
    """Columns of a push: user_id, state and the version time as ``version_us``."""
    return {
        "user_id": list(states),
        _FEATURE: [state.encode() for state in states.values()],
        "version_us": [state.version_us for state in states.values()],
    }


def _columns(response: Any) -> dict[str, list[bytes | None]]:
    """Blobs by state view. Feast calls an absent entity PRESENT, so its status is not looked at.

    An absent one has the event timestamp 0 and a value without content.
    """
    proto = response.proto
    names = [name.split("__")[0] for name in proto.metadata.feature_names.val]
    return {
        name: [
            value.bytes_val if value.WhichOneof("val") and _is_set(moment) else None
            for value, moment in zip(result.values, result.event_timestamps, strict=True)
        ]
        for name, result in zip(names, proto.results, strict=True)
    }


def _is_set(moment: Any) -> bool:
    return bool(moment.seconds or moment.nanos)


def _decoded(
    column: Sequence[bytes | None], decode: Callable[[bytes], Decoded]
) -> Iterator[Decoded | None]:
    return (None if blob is None else decode(blob) for blob in column)


@contextmanager
def translated(part: str) -> Iterator[None]:
    """Turn what the Redis client raises into :class:`~cardfraud.errors.Unavailable`."""
    from redis.exceptions import RedisError

    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable(part, type(error).__name__, hint="is the server up?") from error


def connection(store: Any, attribute: str) -> Any:
    """Return a connection that Feast's Redis store has opened, or None.

    Feast keeps them without a way to close them.
    """
    return None if store is None else getattr(store._get_provider().online_store, attribute, None)  # noqa: SLF001
