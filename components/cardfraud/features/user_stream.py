"""The streamed half of a user's state: tiles of the last days, the last events, and positions.

``apply`` is the whole of the writing: a pure function from state and event to state. What makes
it safe to kill the writer at any moment and to deliver an event again is that the state carries
the position of the last event it has seen from each source: an event at or below it is a
redelivery and changes nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import blake2b
from typing import Final

import numpy as np

from cardfraud.errors import IntegrityError
from cardfraud.features.definitions import RECENT_EVENTS
from cardfraud.features.tiles import (
    DAY_TILE,
    EVENT,
    HOUR_TILE,
    HOURS,
    UINT64_MASK,
    Tiles,
    day_of,
    hour_of,
    take,
)

RETAINED_DAYS: Final = 3
"""UTC days of tiles kept before the current one: how late the daily job may be."""
MAX_SOURCES: Final = 4
"""Positions kept; a user's events come from one partition, and more only after repartitioning."""

_HEADER: Final = struct.Struct("<BqqiiBBBB")
_POSITION: Final = struct.Struct("<Iq")
_VERSION: Final = 1


class Outcome(StrEnum):
    """What became of an event."""

    APPLIED = "applied"
    REDELIVERED = "redelivered"
    DUPLICATE = "duplicate"
    TOO_LATE = "too_late"
    TOO_EARLY = "too_early"


@dataclass(frozen=True, slots=True)
class Event:
    """A transaction as the stream delivers it.

    Attributes:
        source: number of the partition it came from.
        offset: its position there, rising by delivery order.
        time_us: event time, microseconds since 1970-01-01 UTC.
        amount: minor units.
        fingerprint: :func:`fingerprint` of the transaction id.
    """

    source: int
    offset: int
    time_us: int
    amount: int
    fingerprint: int


@dataclass(frozen=True, slots=True)
class DaySum:
    """One day tile while it is being added to."""

    count: int
    total: int
    squares: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class UserStream:
    """What the blob holds.

    Attributes:
        version_us: rises with every write; the time under which the store keeps the blob.
        last_us: latest event time applied; 0 before the first.
        days: day tiles by UTC day since 1970.
        hours: (count, total) by UTC hour since 1970.
        events: the latest (time_us, amount, fingerprint), at most ``RECENT_EVENTS``, oldest first.
        positions: last offset seen, by source.
    """

    version_us: int = 0
    last_us: int = 0
    days: Mapping[int, DaySum] = field(default_factory=dict)
    hours: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    events: tuple[tuple[int, int, int], ...] = ()
    positions: Mapping[int, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the blob; at most 29 + 4 * 12 + 4 * 29 + 25 * 13 + 32 * 16 = 1,030 bytes."""
        base_day = min(self.days, default=0)
        base_hour = min(self.hours, default=0)
        header = _HEADER.pack(
            _VERSION,
            self.version_us,
            self.last_us,
            base_day,
            base_hour,
            len(self.days),
            len(self.hours),
            len(self.events),
            len(self.positions),
        )
        days = np.array(
            [
                (day - base_day, tile.count, tile.total, tile.squares, tile.low, tile.high)
                for day, tile in sorted(self.days.items())
            ],
            dtype=DAY_TILE,
        )
        hours = np.array(
            [(hour - base_hour, *sums) for hour, sums in sorted(self.hours.items())],
            dtype=HOUR_TILE,
        )
        events = np.array(list(self.events), dtype=EVENT)
        positions = b"".join(_POSITION.pack(*item) for item in self.positions.items())
        return header + positions + days.tobytes() + hours.tobytes() + events.tobytes()

    @staticmethod
    def decode(payload: bytes) -> UserStream:
        """Read a blob back into a state that can be added to.

        Raises:
            IntegrityError: the bytes are not a blob of this version.
        """
        view = StreamView.decode(payload)
        return UserStream(
            version_us=view.version_us,
            last_us=view.last_us,
            days={
                view.base_day + int(tile["offset"]): DaySum(*(int(v) for v in tile.tolist()[1:]))
                for tile in view.days
            },
            hours={
                view.base_hour + int(tile["offset"]): (int(tile["count"]), int(tile["total"]))
                for tile in view.hours
            },
            events=tuple((int(t), int(a), int(f)) for t, a, f in view.events.tolist()),
            positions=view.positions,
        )


@dataclass(frozen=True, slots=True)
class StreamView:
    """The blob as arrays, for reading only: what the aggregates are made from."""

    version_us: int
    last_us: int
    base_day: int
    base_hour: int
    days: Tiles
    hours: Tiles
    events: Tiles
    positions: dict[int, int]

    @staticmethod
    def decode(payload: bytes) -> StreamView:
        """Read a blob without copying its records.

        Raises:
            IntegrityError: the bytes are not a blob of this version.
        """
        if len(payload) < _HEADER.size or payload[0] != _VERSION:
            raise IntegrityError("user stream state", f"version {_VERSION}", repr(payload[:1]))
        _, version_us, last_us, base_day, base_hour, days, hours, events, sources = (
            _HEADER.unpack_from(payload)
        )
        size = (
            _HEADER.size
            + sources * _POSITION.size
            + days * DAY_TILE.itemsize
            + hours * HOUR_TILE.itemsize
            + events * EVENT.itemsize
        )
        if len(payload) != size:
            raise IntegrityError("user stream state", f"{size} bytes", f"{len(payload)} bytes")
        start = _HEADER.size
        positions = dict(_POSITION.iter_unpack(payload[start : start + sources * _POSITION.size]))
        start += sources * _POSITION.size
        day_tiles, start = take(payload, start, DAY_TILE, days)
        hour_tiles, start = take(payload, start, HOUR_TILE, hours)
        last_events, _ = take(payload, start, EVENT, events)
        return StreamView(
            version_us, last_us, base_day, base_hour, day_tiles, hour_tiles, last_events, positions
        )


def fingerprint(transaction_id: str) -> int:
    """32 bits that stand for a transaction id among one user's last events."""
    return int.from_bytes(blake2b(transaction_id.encode(), digest_size=4).digest(), "little")


def apply(
    state: UserStream, event: Event, *, latest_us: int | None = None
) -> tuple[UserStream, Outcome]:
    """Add one event.

    A redelivered event (at or below its source's position) changes nothing. A duplicate (same id,
    time and amount among the last events), one too late for the retained tiles and one from the
    future only move the position on; the daily job picks a late one up from the raw data. An event
    from the future would drop all tiles before it and make every true event after it too late.

    Args:
        state: what is known of the user.
        event: the event.
        latest_us: the latest event time that can be true, microseconds since 1970-01-01 UTC;
            later ones are too early. None takes any time.
    """
    if event.offset <= state.positions.get(event.source, -1):
        return state, Outcome.REDELIVERED
    positions = {k: v for k, v in state.positions.items() if k != event.source}
    positions = dict(list(positions.items())[1 - MAX_SOURCES :]) | {event.source: event.offset}
    moved = replace(state, positions=positions)
    if latest_us is not None and event.time_us > latest_us:
        return moved, Outcome.TOO_EARLY
    if (event.time_us, event.amount, event.fingerprint) in state.events:
        return moved, Outcome.DUPLICATE
    newest = max(state.last_us, event.time_us)
    if day_of(event.time_us) < day_of(newest) - RETAINED_DAYS:
        return moved, Outcome.TOO_LATE
    return replace(
        moved,
        last_us=newest,
        days=_add_day(state.days, event, day_of(newest)),
        hours=_add_hour(state.hours, event, hour_of(newest)),
        events=tuple(
            sorted((*state.events, (event.time_us, event.amount, event.fingerprint)), key=_by_time)
        )[-RECENT_EVENTS:],
    ), Outcome.APPLIED


def _by_time(event: tuple[int, int, int]) -> int:
    return event[0]


def _add_day(days: Mapping[int, DaySum], event: Event, today: int) -> dict[int, DaySum]:
    kept = {day: tile for day, tile in days.items() if day >= today - RETAINED_DAYS}
    day, amount = day_of(event.time_us), event.amount
    old = kept.get(day)
    if old is None:
        kept[day] = DaySum(1, amount, amount * amount, amount, amount)
    else:
        kept[day] = DaySum(
            old.count + 1,
            old.total + amount,
            (old.squares + amount * amount) & UINT64_MASK,
            min(old.low, amount),
            max(old.high, amount),
        )
    return kept


def _add_hour(
    hours: Mapping[int, tuple[int, int]], event: Event, now: int
) -> dict[int, tuple[int, int]]:
    kept = {hour: sums for hour, sums in hours.items() if hour >= now - HOURS}
    hour = hour_of(event.time_us)
    if hour >= now - HOURS:
        count, total = kept.get(hour, (0, 0))
        kept[hour] = (count + 1, total + event.amount)
    return kept
