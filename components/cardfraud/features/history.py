"""Aggregates of users over whole tables: what training and batch scoring compute.

The table is sorted once by (user, event time, transaction id); the transactions before a row are
then the ones above it, and every window is a pair of positions. Sums are differences of running
sums of integers, so they are exact, and the smallest and largest amounts come from a sparse table
(Bender and Farach-Colton, "The LCA Problem Revisited", 2000) that is built and used level by
level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cardfraud.features.definitions import RECENT_EVENTS
from cardfraud.features.tiles import HISTORY_DAYS, HOURS
from cardfraud.features.values import (
    DAY_US,
    HOUR_US,
    LARGEST_RATIO,
    PER_MEAN,
    Int,
    UserAggregates,
    Window,
)

_MINUTE_US: Final = 60_000_000

Number = TypeVar("Number", np.int64, np.uint64)


@dataclass(frozen=True, slots=True)
class UserOrder:
    """A table of transactions sorted by (user, event time, transaction id).

    Attributes:
        row: [N] position of each sorted row in the table as it came.
        user: [N] code of the user, rising.
        time_us: [N] event times.
        amount: [N] minor units.
        start: [N] position of the first row of the same user.
    """

    row: Int
    user: Int
    time_us: Int
    amount: Int
    start: Int


def user_order(transactions: pl.DataFrame) -> UserOrder:
    """Sort a table of transactions for the windows of its users.

    Args:
        transactions: needs transaction_id, event_time, user_id and amount_minor.
    """
    ordered = (
        transactions.select("user_id", "event_time", "transaction_id", "amount_minor")
        .with_row_index("row")
        .sort("event_time", "transaction_id")
    )
    # Numbers sort faster than names, and a stable sort keeps the order in time.
    codes = _user_codes(ordered["user_id"])
    smallest_type = np.min_scalar_type(int(codes.max(initial=0)))  # sixteen bits sort by radix
    place = np.argsort(codes.astype(smallest_type), kind="stable")
    users = codes[place]
    first = np.r_[True, users[1:] != users[:-1]] if len(users) else np.empty(0, dtype=bool)
    return UserOrder(
        row=ordered["row"].to_numpy()[place].astype(np.int64),
        user=users,
        time_us=ordered["event_time"].to_physical().to_numpy()[place],
        amount=ordered["amount_minor"].to_numpy()[place].astype(np.int64, copy=False),
        start=np.maximum.accumulate(np.where(first, np.arange(len(users)), 0)),
    )


def _user_codes(users: pl.Series) -> Int:
    """A number for each user, in order of the identifier, [N]."""
    codes = users.unique().sort().to_frame("user").with_row_index("code")
    joined = users.to_frame("user").join(codes, on="user", how="left", maintain_order="left")
    return joined["code"].to_numpy().astype(np.int64)


def user_aggregates(order: UserOrder) -> UserAggregates:
    """Aggregates of each row's user just before the row, in sorted order, [N] each."""
    running = _running(order.amount)
    squares = _running(order.amount.astype(np.uint64) ** np.uint64(2))
    here = np.arange(len(order.row), dtype=np.int64)
    day = order.time_us // DAY_US

    def window(start: Int) -> Window:
        return Window(here - start, running[:-1] - running[start])

    oldest = _tile_start(order.user, day, HISTORY_DAYS)
    known = here > oldest
    first = np.where(known, oldest, 0)
    low, high = _extremes(order.amount, oldest, here)
    return UserAggregates(
        history=window(oldest),
        squares=squares[:-1] - squares[oldest],
        low=low,
        high=high,
        first_day=np.where(known, day[first] if len(day) else 0, 0),
        last_us=np.where(known, np.r_[0, order.time_us[:-1]], 0),
        day=window(_tile_start(order.user, order.time_us // HOUR_US, HOURS)),
        week=window(_tile_start(order.user, day, 7)),
        month=window(_tile_start(order.user, day, 30)),
        minutes_5=window(_recent_start(order, 5 * _MINUTE_US)),
        minutes_10=window(_recent_start(order, 10 * _MINUTE_US)),
    )


def hundredths_of_mean(order: UserOrder, rows: Int) -> Int:
    """Amounts of some rows in hundredths of their users' means of 90 days just before, [M].

    Rounded to the nearest whole number, halves up, and at most ``LARGEST_RATIO``; whole, so that
    sums of them do not depend on their order. A mean that is 0 or unknown counts as the amount.

    Args:
        order: a table in the order of its users.
        rows: [M] positions in that order.
    """
    oldest = _tile_start(order.user, order.time_us // DAY_US, HISTORY_DAYS, rows)
    running = _running(order.amount)
    count, total = rows - oldest, running[rows] - running[oldest]
    scaled = PER_MEAN * count * order.amount[rows]
    ratio = np.where(total > 0, (scaled + total // 2) // np.maximum(total, 1), PER_MEAN)
    return np.minimum(ratio, LARGEST_RATIO)


def _running(numbers: NDArray[Number]) -> NDArray[Number]:
    """Sums of all numbers above each position, [N + 1]; wraps as unsigned integers do."""
    sums = np.zeros(len(numbers) + 1, dtype=numbers.dtype)
    np.cumsum(numbers, out=sums[1:])
    return sums


def _tile_start(user: Int, tile: Int, length: int, rows: Int | None = None) -> Int:
    """First position of the same user whose tile is at most ``length`` tiles before the row's.

    For all rows, or for ``rows`` alone.
    """
    if not len(tile):
        return np.empty(0, dtype=np.int64)
    offset = tile - tile.min() + length + 1
    span = int(offset.max()) + length + 2
    key = user * span + offset
    edge = (key if rows is None else key[rows]) - length
    start: Int = np.searchsorted(key, edge, side="left").astype(np.int64, copy=False)
    return start


def _recent_start(order: UserOrder, length_us: int) -> Int:
    """First position in the last ``length_us``, at most ``RECENT_EVENTS`` before the row."""
    here = np.arange(len(order.row), dtype=np.int64)
    start = here.copy()
    for back in range(1, RECENT_EVENTS + 1):
        rows = here[start == here - back + 1]
        rows = rows[rows - back >= order.start[rows]]
        rows = rows[order.time_us[rows - back] >= order.time_us[rows] - length_us]
        if not len(rows):
            break
        start[rows] = rows - back
    return start


def _extremes(amount: Int, start: Int, end: Int) -> tuple[Int, Int]:
    """Smallest and largest of ``amount[start:end]`` for each row; 0 where that is empty."""
    low, high = np.zeros(len(end), dtype=np.int64), np.zeros(len(end), dtype=np.int64)
    length = end - start
    if not len(length) or not length.max():
        return low, high
    level = np.zeros(len(length), dtype=np.int8)
    filled = length > 0
    level[filled] = np.frexp(length[filled].astype(np.float64))[1] - 1
    smallest, largest = amount, amount
    for k in range(int(level.max()) + 1):
        rows = np.flatnonzero(filled & (level == k))
        left, right = start[rows], end[rows] - (1 << k)
        low[rows] = np.minimum(smallest[left], smallest[right])
        high[rows] = np.maximum(largest[left], largest[right])
        half = 1 << k
        if len(smallest) <= half:
            break
        smallest = np.minimum(smallest[:-half], smallest[half:])
        largest = np.maximum(largest[:-half], largest[half:])
    return low, high
