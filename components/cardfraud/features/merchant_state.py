"""A merchant's state: what happened on each UTC day, as known at one midnight."""

from __future__ import annotations

import struct
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardfraud.contracts.labels import LABEL_DELAY
from cardfraud.errors import IntegrityError
from cardfraud.features.definitions import RISK_WINDOWS, STREAK_WINDOW
from cardfraud.features.tiles import Tiles, take

RISK_TILE: Final = np.dtype(
    [
        ("offset", "u1"),  # UTC days after the blob's base day
        ("count", "<u4"),
        ("frauds", "<u4"),  # known at the blob's midnight
        ("ratios", "<u8"),  # of these frauds: hundredths of their users' means, summed
    ]
)
DELAY_DAYS: Final = LABEL_DELAY.days
RISK_DAYS: Final = tuple(window.days for window in RISK_WINDOWS)
STREAK_DAYS: Final = STREAK_WINDOW.days
REACH_DAYS: Final = DELAY_DAYS + max(*RISK_DAYS, STREAK_DAYS)
"""Days before the current one that the longest window reaches back to."""

_HEADER: Final = struct.Struct("<BiB")
_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class MerchantState:
    """What the blob holds.

    Attributes:
        as_of_day: UTC day since 1970; labels reported before its midnight are in.
        days: ``RISK_TILE`` records in rising order, offsets from ``as_of_day - REACH_DAYS``.
    """

    as_of_day: int
    days: Tiles

    def encode(self) -> bytes:
        """Return the blob; at most 6 + 37 * 17 = 635 bytes."""
        return _HEADER.pack(_VERSION, self.as_of_day, len(self.days)) + self.days.tobytes()

    @staticmethod
    def decode(payload: bytes) -> MerchantState:
        """Read a blob back.

        Raises:
            IntegrityError: the bytes are not a blob of this version.
        """
        if len(payload) < _HEADER.size or payload[0] != _VERSION:
            raise IntegrityError("merchant state", f"version {_VERSION}", repr(payload[:1]))
        _, as_of_day, days = _HEADER.unpack_from(payload)
        size = _HEADER.size + days * RISK_TILE.itemsize
        if len(payload) != size:
            raise IntegrityError("merchant state", f"{size} bytes", f"{len(payload)} bytes")
        tiles, _ = take(payload, _HEADER.size, RISK_TILE, days)
        return MerchantState(as_of_day, tiles)

    def window(self, today: int, days: int) -> tuple[int, int]:
        """Transactions and frauds in the whole UTC days [today - delay - days, today - delay)."""
        newest = today - DELAY_DAYS - (self.as_of_day - REACH_DAYS)
        offsets = self.days["offset"].tobytes()  # in rising order
        tiles = self.days[bisect_left(offsets, newest - days) : bisect_left(offsets, newest)]
        return sum(tiles["count"].tolist()), sum(tiles["frauds"].tolist())

    def streak(self, today: int) -> tuple[int, int, int, int]:
        """The numbers of :class:`cardfraud.features.values.FraudStreak` on a UTC day.

        A state older than the request's day holds days whose labels are still to come; they are
        left out, so that they do not pass for honest ones and break the streak.
        """
        base = self.as_of_day - REACH_DAYS
        newest = min(today, self.as_of_day) - DELAY_DAYS - base
        offsets = self.days["offset"].tobytes()
        first = bisect_left(offsets, today - DELAY_DAYS - STREAK_DAYS - base)
        tiles = self.days[first : bisect_left(offsets, newest)]
        frauds = age = ratios = 0
        for offset, count, known, hundredths in reversed(tiles.tolist()):
            if known < count:
                return today - base - offset, frauds, age, ratios
            frauds, age, ratios = frauds + known, today - base - offset, ratios + hundredths
        return 0, frauds, age, ratios
