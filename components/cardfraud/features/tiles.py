"""Tiles: exact partial sums of one user over one UTC hour or one UTC day, and their bytes.

Both state blobs of a user are made of these records, so that a tile that the daily job wrote and
one that the stream wrote can stand side by side. All fields are little-endian and packed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.features.values import DAY_US, HOUR_US

DAY_TILE: Final = np.dtype(
    [
        ("offset", "u1"),  # UTC days after the blob's base day
        ("count", "<u4"),
        ("total", "<u8"),  # minor units
        ("squares", "<u8"),  # minor units, squared
        ("low", "<u4"),
        ("high", "<u4"),
    ]
)
HOUR_TILE: Final = np.dtype(
    [
        ("offset", "u1"),  # UTC hours after the blob's base hour
        ("count", "<u4"),
        ("total", "<u8"),
    ]
)
EVENT: Final = np.dtype(
    [
        ("time_us", "<i8"),
        ("amount", "<u4"),
        ("fingerprint", "<u4"),  # of the transaction id
    ]
)

UINT64_MASK: Final = 2**64 - 1
"""Sums of squares wrap at 2**64 in every place that adds them, so that all places agree."""

Tiles = NDArray[np.void]

HISTORY_DAYS: Final = 90
"""Days of tiles before the current one that the longest window reaches back to."""
HOURS_A_DAY: Final = DAY_US // HOUR_US
HOURS: Final = 24
"""Hours of tiles before the current one that the one-day window reaches back to."""


def day_of(time_us: int) -> int:
    """UTC day since 1970 of a moment in microseconds."""
    return time_us // DAY_US


def hour_of(time_us: int) -> int:
    """UTC hour since 1970 of a moment in microseconds."""
    return time_us // HOUR_US


def take(payload: bytes, start: int, dtype: np.dtype[np.void], count: int) -> tuple[Tiles, int]:
    """Read ``count`` records from ``payload`` at ``start``; return them and the next position."""
    records = np.frombuffer(payload, dtype=dtype, count=count, offset=start)
    return records, start + count * dtype.itemsize
