"""Aggregates from online state: what the transformer computes for each request.

The daily job's tiles count below its watermark, the stream's at or above it, so that nothing is
counted twice and nothing is lost however the two overlap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cardfraud.features import values
from cardfraud.features.merchant_state import RISK_DAYS, MerchantState
from cardfraud.features.tiles import HISTORY_DAYS, HOURS, UINT64_MASK, Tiles, day_of, hour_of
from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import RETAINED_DAYS, StreamView

_NO_WATERMARK: Final = -(2**31)
_DAY_FIELDS: Final = ("count", "total", "squares", "low", "high")
_MINUTE_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class UserState:
    """Both halves of a user's state; either may be absent."""

    history: UserHistory | None = None
    stream: StreamView | None = None

    @property
    def watermark_day(self) -> int:
        """UTC day from which on the stream's tiles count."""
        return self.history.watermark_day if self.history else _NO_WATERMARK

    def has_gap(self) -> bool:
        """Tell whether days lie between the watermark and what the stream still keeps."""
        if self.history is None or self.stream is None or not len(self.stream.days):
            return False
        return day_of(self.stream.last_us) - RETAINED_DAYS > self.history.watermark_day


def user_aggregates(states: Sequence[UserState], time_us: Sequence[int]) -> values.UserAggregates:
    """Aggregates of N users, each just before its own request time.

    Args:
        states: N states.
        time_us: N event times, microseconds since 1970-01-01 UTC.
    """
    rows = [_one_user(state, moment) for state, moment in zip(states, time_us, strict=True)]
    table = np.array(rows, dtype=np.uint64).reshape(-1, 17).T
    column = table.view(np.int64)
    return _aggregates((*column[:2], table[2], *column[3:]))


def one_users_aggregates(state: UserState, time_us: int) -> values.UserAggregates:
    """Return the same of one user, in Python's integers."""
    return _aggregates(_one_user(state, time_us))


def _aggregates(field: Sequence[Any]) -> values.UserAggregates:
    return values.UserAggregates(
        history=values.Window(field[0], field[1]),
        squares=field[2],
        low=field[3],
        high=field[4],
        first_day=field[5],
        last_us=field[6],
        day=values.Window(field[7], field[8]),
        week=values.Window(field[9], field[10]),
        month=values.Window(field[11], field[12]),
        minutes_5=values.Window(field[13], field[14]),
        minutes_10=values.Window(field[15], field[16]),
    )


def merchant_aggregates(
    states: Sequence[MerchantState | None], time_us: Sequence[int]
) -> values.MerchantAggregates:
    """Aggregates of N merchants, each as of the UTC hour of its own request."""
    rows = [_one_merchant(state, moment) for state, moment in zip(states, time_us, strict=True)]
    return _merchant_aggregates([*np.array(rows, dtype=np.int64).reshape(-1, 10).T])


def one_merchants_aggregates(
    state: MerchantState | None, time_us: int
) -> values.MerchantAggregates:
    """Return the same of one merchant, in Python's integers."""
    return _merchant_aggregates(_one_merchant(state, time_us))


def _merchant_aggregates(field: Sequence[Any]) -> values.MerchantAggregates:
    return values.MerchantAggregates(
        day=values.RiskWindow(field[0], field[1]),
        week=values.RiskWindow(field[2], field[3]),
        month=values.RiskWindow(field[4], field[5]),
        streak=values.FraudStreak(*field[6:]),
    )


def _one_merchant(state: MerchantState | None, moment: int) -> tuple[int, ...]:
    if state is None:
        return (0,) * 10
    today = day_of(moment)
    day, week, month = state.windows(today, RISK_DAYS)
    return (*day, *week, *month, *state.streak(today))


def _one_user(state: UserState, moment: int) -> tuple[int, ...]:
    # A state holds a hundred tiles at most. At that size lists are several times quicker than
    # arrays, and Python's integers are exact.
    today, now = day_of(moment), hour_of(moment)
    days, (counts, totals, squares, lows, highs) = _merged_days(state, today)
    hourly = _merged_hours(state, now)
    times = state.stream.events["time_us"].tolist() if state.stream else []
    amounts = state.stream.events["amount"].tolist() if state.stream else []
    end = bisect_right(times, moment)
    history = (0, 0, 0, 0, 0, 0, 0)
    if days:
        history = (
            sum(counts),
            sum(totals),
            sum(squares) & UINT64_MASK,
            min(lows),
            max(highs),
            days[0],
            _last(state, times[:end], moment),
        )
    week, month = bisect_left(days, today - 7), bisect_left(days, today - 30)
    minutes_5 = bisect_left(times, moment - 5 * _MINUTE_US, 0, end)
    minutes_10 = bisect_left(times, moment - 10 * _MINUTE_US, 0, end)
    return (
        *history,
        *hourly,
        *(sum(counts[week:]), sum(totals[week:])),
        *(sum(counts[month:]), sum(totals[month:])),
        *(end - minutes_5, sum(amounts[minutes_5:end])),
        *(end - minutes_10, sum(amounts[minutes_10:end])),
    )


def _merged_days(state: UserState, today: int) -> tuple[list[int], list[list[int]]]:
    """UTC days of the tiles of both halves in the history window, rising, and the tiles' fields."""
    oldest = today - HISTORY_DAYS
    days: list[int] = []
    fields: list[list[int]] = [[] for _ in _DAY_FIELDS]
    for half, first in ((state.history, oldest), (state.stream, state.watermark_day)):
        if half is not None:
            tiles = _run(half.days, max(first, oldest) - half.base_day, today - half.base_day)
            base = half.base_day
            days += [base + offset for offset in tiles["offset"].tolist()]
            for field, name in zip(fields, _DAY_FIELDS, strict=True):
                field.extend(tiles[name].tolist())
    return days, fields


def _merged_hours(state: UserState, now: int) -> tuple[int, int]:
    """Count and sum over the hour tiles of both halves in the one-day window."""
    oldest, count, total = now - HOURS, 0, 0
    for half, first in ((state.history, oldest), (state.stream, state.watermark_day * 24)):
        if half is not None:
            tiles = _run(half.hours, max(first, oldest) - half.base_hour, now - half.base_hour)
            count += sum(tiles["count"].tolist())
            total += sum(tiles["total"].tolist())
    return count, total


def _run(tiles: Tiles, first: int, last: int) -> Tiles:
    """Tiles with offsets from ``first`` to ``last``; a blob holds its tiles in rising order."""
    offsets = tiles["offset"].tobytes()
    return tiles[bisect_left(offsets, first) : bisect_right(offsets, last)]


def _last(state: UserState, times: list[int], moment: int) -> int:
    """Time of the latest transaction not after ``moment`` that the state still knows exactly."""
    known = times[-1:]
    if state.history is not None and state.history.last_us <= moment:
        known = [*known, state.history.last_us]
    return max(known, default=moment)
