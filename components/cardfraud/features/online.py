"""Aggregates from online state: what the transformer computes for each request.

The daily job's tiles count below its watermark, the stream's at or above it, so that nothing is
counted twice and nothing is lost however the two overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardfraud.features import values
from cardfraud.features.merchant_state import RISK_DAYS, MerchantState
from cardfraud.features.tiles import HISTORY_DAYS, HOURS, Tiles, day_of, hour_of
from cardfraud.features.user_history import EMPTY_DAYS, EMPTY_HOURS, UserHistory
from cardfraud.features.user_stream import RETAINED_DAYS, StreamView
from cardfraud.features.values import Int

_NO_WATERMARK: Final = -(2**31)
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
    table = np.array(rows, dtype=np.uint64).T if rows else np.empty((17, 0), dtype=np.uint64)
    squares = table[2]
    column = [array.astype(np.int64) for array in table]
    return values.UserAggregates(
        history=values.Window(column[0], column[1]),
        squares=squares,
        low=column[3],
        high=column[4],
        first_day=column[5],
        last_us=column[6],
        day=values.Window(column[7], column[8]),
        week=values.Window(column[9], column[10]),
        month=values.Window(column[11], column[12]),
        minutes_5=values.Window(column[13], column[14]),
        minutes_10=values.Window(column[15], column[16]),
    )


def merchant_aggregates(
    states: Sequence[MerchantState | None], time_us: Sequence[int]
) -> values.MerchantAggregates:
    """Aggregates of N merchants, each as of the UTC day of its own request."""
    windows: list[values.RiskWindow] = []
    for days in RISK_DAYS:
        pairs = [
            state.window(day_of(moment), days) if state else (0, 0)
            for state, moment in zip(states, time_us, strict=True)
        ]
        table: Int = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        windows.append(values.RiskWindow(table[:, 0], table[:, 1]))
    return values.MerchantAggregates(*windows)


def _one_user(state: UserState, moment: int) -> tuple[int, ...]:
    days, day_tiles = _merged(state, day_of(moment), hourly=False)
    hours, hour_tiles = _merged(state, hour_of(moment), hourly=True)
    today, now = day_of(moment), hour_of(moment)
    inside = days >= today - HISTORY_DAYS
    history = day_tiles[inside]
    numbers: list[int] = [0, 0, 0, 0, 0, 0, 0]
    if len(history):
        numbers = [
            int(history["count"].sum()),
            int(history["total"].sum()),
            int(history["squares"].sum()),
            int(history["low"].min()),
            int(history["high"].max()),
            int(days[inside].min()),
            _last(state, moment),
        ]
    numbers += _sums(hour_tiles[hours >= now - HOURS])
    numbers += _sums(day_tiles[days >= today - 7])
    numbers += _sums(day_tiles[days >= today - 30])
    for minutes in (5, 10):
        numbers += _recent(state.stream, moment, minutes * _MINUTE_US)
    return tuple(numbers)


def _merged(state: UserState, latest: int, *, hourly: bool) -> tuple[Int, Tiles]:
    """Tiles of both halves up to ``latest``, and the day or hour of each."""
    parts: list[tuple[Int, Tiles]] = []
    if state.history is not None:
        tiles = state.history.hours if hourly else state.history.days
        base = state.history.base_hour if hourly else state.history.base_day
        parts.append((base + tiles["offset"].astype(np.int64), tiles))
    if state.stream is not None:
        tiles = state.stream.hours if hourly else state.stream.days
        base = state.stream.base_hour if hourly else state.stream.base_day
        when = base + tiles["offset"].astype(np.int64)
        fresh = when >= state.watermark_day * (24 if hourly else 1)
        parts.append((when[fresh], tiles[fresh]))
    if not parts:
        return np.empty(0, dtype=np.int64), EMPTY_HOURS if hourly else EMPTY_DAYS
    when = np.concatenate([part[0] for part in parts])
    tiles = np.concatenate([part[1] for part in parts])
    past = when <= latest
    return when[past], tiles[past]


def _sums(tiles: Tiles) -> list[int]:
    return [int(tiles["count"].sum()), int(tiles["total"].sum())]


def _last(state: UserState, moment: int) -> int:
    """Time of the latest transaction not after ``moment`` that the state still knows exactly."""
    known = [state.history.last_us] if state.history else []
    if state.stream is not None:
        known += [int(t) for t in state.stream.events["time_us"]]
    return max((t for t in known if t <= moment), default=moment)


def _recent(stream: StreamView | None, moment: int, length_us: int) -> list[int]:
    if stream is None:
        return [0, 0]
    times = stream.events["time_us"]
    inside = (times >= moment - length_us) & (times <= moment)
    return [int(inside.sum()), int(stream.events["amount"][inside].sum())]
