"""The dimensions by which the held-out rows are cut into slices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.evaluation.held_out import HeldOut

Names = NDArray[np.str_]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AMOUNTS: Final = (0, 10, 50, 100, 200, 500)
"""Lower ends of the bands of the amount, major units."""
_HOURS: Final = (0, 6, 12, 18)
_HISTORY: Final = (0, 1, 10, 50)
"""Lower ends of the bands of a user's transactions in 90 days."""


def dimensions(rows: HeldOut) -> dict[str, Names]:
    """Return the name of each row's value, ``[N]``, by dimension.

    A dimension that needs a feature is left out where the rows do not carry it, the segment where
    they name none.
    """
    found: dict[str, Names] = {
        "amount": _banded(rows.amounts, _AMOUNTS),
        "day": _days(rows.days),
    }
    hour, history = rows.feature("hour_of_day"), rows.feature("total_transactions")
    if hour is not None:
        found["hour"] = _banded(hour, _HOURS, end=24)
    if history is not None:
        found["user's transactions"] = _banded(history, _HISTORY)
    risk = _merchant_risk(rows)
    if risk is not None:
        found["merchant"] = risk
    if rows.segments is not None:
        found["segment"] = np.array(
            ["none" if name is None else str(name) for name in rows.segments]
        )
    return found


def _days(days: NDArray[np.int64]) -> Names:
    numbers, place = np.unique(days, return_inverse=True)
    return np.array([f"{_EPOCH + timedelta(days=int(n)):%d %b %Y}" for n in numbers])[place]


def _merchant_risk(rows: HeldOut) -> Names | None:
    count = rows.feature("merchant_count_30d")
    share = rows.feature("merchant_fraud_share_30d")
    if count is None or share is None:
        return None
    known = np.where(share > 0, "frauds known", "no fraud known")
    return np.where(count > 0, known, "unknown").astype(np.str_)


def _banded(
    values: NDArray[np.floating], ends: tuple[int, ...], *, end: int | None = None
) -> Names:
    """Name the band of each value; a band holds its lower end and not its upper one."""
    uppers = (*ends[1:], end)
    names = np.array(
        [
            f"{low} and more"
            if high is None
            else f"{low}"
            if high == low + 1
            else f"{low} to {high}"
            for low, high in zip(ends, uppers, strict=True)
        ]
    )
    named: Names = names[np.searchsorted(ends, values, side="right") - 1]
    return named
