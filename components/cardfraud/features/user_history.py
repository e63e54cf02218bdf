"""The backfilled half of a user's state: tiles of the days before a watermark.

The daily job writes one blob for each user. The watermark is the start of a UTC day; everything
before it is in these tiles and nothing after it is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from cardfraud.errors import IntegrityError
from cardfraud.features.tiles import DAY_TILE, HISTORY_DAYS, HOUR_TILE, HOURS, Tiles, take

_HEADER: Final = struct.Struct("<BiqBB")
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class UserHistory:
    """What the blob holds.

    Attributes:
        watermark_day: UTC day since 1970; the tiles cover the days before it.
        last_us: time of the user's latest transaction before the watermark.
        days: ``DAY_TILE`` records in rising order, offsets from ``watermark_day - 90``.
        hours: ``HOUR_TILE`` records of the last 24 hours in rising order, offsets from the first
            of these.
    """

    watermark_day: int
    last_us: int
    days: Tiles
    hours: Tiles

    @property
    def base_day(self) -> int:
        """The UTC day that a day tile's offset counts from."""
        return self.watermark_day - HISTORY_DAYS

    @property
    def base_hour(self) -> int:
        """The UTC hour that an hour tile's offset counts from."""
        return self.watermark_day * 24 - HOURS

    def encode(self) -> bytes:
        """Return the blob; at most 15 + 90 * 29 + 24 * 13 = 2,937 bytes."""
        header = _HEADER.pack(
            _VERSION, self.watermark_day, self.last_us, len(self.days), len(self.hours)
        )
        return header + self.days.tobytes() + self.hours.tobytes()

    @staticmethod
    def decode(payload: bytes) -> UserHistory:
        """Read a blob back.

        Raises:
            IntegrityError: the bytes are not a blob of this version.
        """
        if len(payload) < _HEADER.size or payload[0] != _VERSION:
            raise IntegrityError("user history state", f"version {_VERSION}", repr(payload[:1]))
        _, watermark_day, last_us, days, hours = _HEADER.unpack_from(payload)
        size = _HEADER.size + days * DAY_TILE.itemsize + hours * HOUR_TILE.itemsize
        if len(payload) != size:
            raise IntegrityError("user history state", f"{size} bytes", f"{len(payload)} bytes")
        day_tiles, position = take(payload, _HEADER.size, DAY_TILE, days)
        hour_tiles, _ = take(payload, position, HOUR_TILE, hours)
        return UserHistory(watermark_day, last_us, day_tiles, hour_tiles)
