"""A merchant's state: transactions and known frauds of each UTC day, as known at one midnight."""

from __future__ import annotations

import struct
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardfraud.contracts.labels import LABEL_DELAY
from cardfraud.errors import IntegrityError
from cardfraud.features.definitions import RISK_WINDOWS
from cardfraud.features.tiles import Tiles, take

RISK_TILE: Final = np.dtype([("offset", "u1"), ("count", "<u4"), ("frauds", "<u4")])
DELAY_DAYS: Final = LABEL_DELAY.days
RISK_DAYS: Final = tuple(window.days for window in RISK_WINDOWS)
REACH_DAYS: Final = DELAY_DAYS + max(RISK_DAYS)
"""Days before the current one that the longest window reaches back to."""

_HEADER: Final = struct.Struct("<BiB")
_VERSION: Final = 1


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
        """Return the blob; at most 6 + 37 * 9 = 339 bytes."""
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
