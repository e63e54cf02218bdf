"""A merchant's state: what happened on each UTC day, as known at the beginning of one hour.

The labels of a transaction come in while the delay passes, so the state holds nothing younger than
the delay. Its newest tile is of the day that is just coming through it, up to the state's hour; so
a fraud counts from the hour after it is known, and the state is no larger for that.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardfraud.contracts.labels import LABEL_DELAY
from cardfraud.errors import IntegrityError
from cardfraud.features.definitions import HOUR, RISK_WINDOWS, STREAK_WINDOW
from cardfraud.features.tiles import HOURS_A_DAY, Tiles, take

RISK_TILE: Final = np.dtype(
    [
        ("offset", "u1"),  # UTC days after the blob's base day
        ("count", "<u4"),
        ("frauds", "<u4"),  # known before the blob's hour
        ("ratios", "<u8"),  # of these frauds: hundredths of their users' means, summed
    ]
)
DELAY_DAYS: Final = LABEL_DELAY.days
DELAY_HOURS: Final = LABEL_DELAY // HOUR
RISK_DAYS: Final = tuple(window.days for window in RISK_WINDOWS)
STREAK_DAYS: Final = STREAK_WINDOW.days
REACH_DAYS: Final = DELAY_DAYS + max(*RISK_DAYS, STREAK_DAYS)
"""Days before the current one that the longest window reaches back to."""

_HEADER: Final = struct.Struct("<BiB")
_VERSION: Final = 3


@dataclass(frozen=True, slots=True)
class MerchantState:
    """What the blob holds.

    Attributes:
        as_of_hour: UTC hour since 1970; what happened a label delay before its beginning is in,
            and labels that were reported before its beginning.
        days: ``RISK_TILE`` records in rising order, offsets from ``REACH_DAYS`` before the hour's
            day.
    """

    as_of_hour: int
    days: Tiles

    @property
    def base_day(self) -> int:
        """UTC day since 1970 that the tiles' offsets count from."""
        return self.as_of_hour // HOURS_A_DAY - REACH_DAYS

    def encode(self) -> bytes:
        """Return the blob; at most 6 + 31 * 17 = 533 bytes."""
        return _HEADER.pack(_VERSION, self.as_of_hour, len(self.days)) + self.days.tobytes()

    @staticmethod
    def decode(payload: bytes) -> MerchantState:
        """Read a blob back.

        Raises:
            IntegrityError: the bytes are not a blob of this version.
        """
        if len(payload) < _HEADER.size or payload[0] != _VERSION:
            raise IntegrityError("merchant state", f"version {_VERSION}", repr(payload[:1]))
        _, as_of_hour, days = _HEADER.unpack_from(payload)
        size = _HEADER.size + days * RISK_TILE.itemsize
        if len(payload) != size:
            raise IntegrityError("merchant state", f"{size} bytes", f"{len(payload)} bytes")
        tiles, _ = take(payload, _HEADER.size, RISK_TILE, days)
        return MerchantState(as_of_hour, tiles)

    def window(self, today: int, days: int) -> tuple[int, int]:
        """Transactions and frauds of a window of whole days and the hours of the newest day.

        Args:
            today: UTC day of the request. For a later day than the state's the window lacks its
                newest part, whose labels the state does not know.
            days: whole UTC days before the newest one, which is the delay before ``today``.
        """
        return self.windows(today, (days,))[0]

    def windows(self, today: int, days: Sequence[int]) -> list[tuple[int, int]]:
        """Return the same for several windows, shortest first, having read the tiles once."""
        tiles = self._between(today, days[-1]).tolist()
        newest = today - DELAY_DAYS - self.base_day
        found = []
        for length in days:
            within = [tile for tile in tiles if tile[0] >= newest - length]
            found.append((sum(tile[1] for tile in within), sum(tile[2] for tile in within)))
        return found

    def streak(self, today: int) -> tuple[int, int, int, int]:
        """The numbers of :class:`cardfraud.features.values.FraudStreak` on a UTC day."""
        base, frauds, age, ratios = self.base_day, 0, 0, 0
        for offset, count, known, hundredths in reversed(
            self._between(today, STREAK_DAYS).tolist()
        ):
            if known < count:
                return today - base - offset, frauds, age, ratios
            frauds, age, ratios = frauds + known, today - base - offset, ratios + hundredths
        return 0, frauds, age, ratios

    def _between(self, today: int, days: int) -> Tiles:
        newest = today - DELAY_DAYS - self.base_day
        offsets = self.days["offset"].tobytes()  # in rising order
        return self.days[bisect_left(offsets, newest - days) : bisect_right(offsets, newest)]
