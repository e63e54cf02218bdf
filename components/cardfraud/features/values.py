"""From aggregates and request to feature values, and from values to the model's vector.

This is the one place where a feature gets its number. Training reads it over whole tables, the
transformer over a handful of requests; both hand in the same exact integers, so both get the same
floats to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.transactions import MINOR_UNITS
from cardfraud.features.arithmetic import COLUMNS, Arithmetic, Number
from cardfraud.features.definitions import CALENDAR_ZONE, FEATURE_NAMES, FEATURES, NIGHT_ENDS

Int = NDArray[np.int64]
Float = NDArray[np.float64]

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
_QUARTER_US: Final = HOUR_US // 4
_SATURDAY: Final = 5
_DEFAULTS: Final = np.array([feature.default for feature in FEATURES])
_BLOCK: Final = 4096
PER_MEAN: Final = 100
"""Amounts of known frauds are counted in this part of their users' means, as whole numbers."""
LARGEST_RATIO: Final = 100 * PER_MEAN
"""A fraud of more than a hundred times the mean counts as one of a hundred times."""
_READ_ON_DEMAND: Final = (
    "total_transactions",
    "avg_amount",
    "std_amount",
    "max_amount",
    "total_spent",
    "days_since_last",
    "days_since_first",
    "user_avg_amount_1d",
    "user_avg_amount_7d",
    "user_avg_amount_30d",
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """Count and sum of amounts over one window, in minor units."""

    count: Int
    total: Int


@dataclass(frozen=True, slots=True)
class UserAggregates:
    """What is known of each request's user just before the request.

    Every field is [N] int64 for N requests; for one alone Python's integers stand there, see
    ``cardfraud.features.online.one_users_aggregates``.

    Attributes:
        history: 90 days; ``squares`` is the sum of squared minor amounts as uint64, exact while it
            stays below 2**64 (1,844 transactions of the largest amount), ``low`` and ``high`` the
            smallest and largest amount, ``first_day`` the UTC day (since 1970) of the earliest
            transaction and ``last_us`` the time of the latest; the last four mean nothing where
            ``history.count`` is 0.
        day, week, month: 1, 7 and 30 days.
        minutes_5, minutes_10: over at most ``RECENT_EVENTS`` transactions.
    """

    history: Window
    squares: NDArray[np.uint64]
    low: Int
    high: Int
    first_day: Int
    last_us: Int
    day: Window
    week: Window
    month: Window
    minutes_5: Window
    minutes_10: Window


@dataclass(frozen=True, slots=True)
class RiskWindow:
    """Transactions and known frauds of each request's merchant over one window, [N] int64."""

    count: Int
    frauds: Int


@dataclass(frozen=True, slots=True)
class FraudStreak:
    """The known frauds since each request's merchant had another transaction, [N] int64 each.

    Attributes:
        nonfraud_age: UTC days from the last day with a transaction not known as fraud to the
            request's; 0 where the window holds none.
        frauds: known frauds on the days after it.
        age: UTC days from the first of these to the request's day; 0 where there are none.
        ratios: sum of their amounts in hundredths of the users' means, each at most
            ``LARGEST_RATIO``.
    """

    nonfraud_age: Int
    frauds: Int
    age: Int
    ratios: Int


@dataclass(frozen=True, slots=True)
class MerchantAggregates:
    """What is known of each request's merchant, by window."""

    day: RiskWindow
    week: RiskWindow
    month: RiskWindow
    streak: FraudStreak


def _mean(window: Window, number: Arithmetic) -> Number:
    return number.ratio(window.total, window.count) / MINOR_UNITS


def _deviation(users: UserAggregates, number: Arithmetic) -> Number:
    """Sample standard deviation (ddof 1) from the count, the sum and the sum of squares."""
    count, total = number.double(users.history.count), number.double(users.history.total)
    spread = number.double(users.squares) - total * number.ratio(total, count)
    variance = number.at_least(spread, 0.0) / number.at_least(count - 1.0, 1.0)
    return number.where(count > 1, number.root(variance) / MINOR_UNITS)


def user_values(
    users: UserAggregates, time_us: Number, number: Arithmetic = COLUMNS
) -> dict[str, Number]:
    """Values of the three user views, float64; NaN where there is no value.

    Args:
        users: aggregates of N requests, or of one in Python's numbers.
        time_us: event times, microseconds since 1970-01-01 UTC.
        number: what to compute with, ``COLUMNS`` or ``ROW``.
    """
    history = users.history
    known = history.count > 0
    values = {
        "total_transactions": number.double(history.count),
        "avg_amount": _mean(history, number),
        "std_amount": _deviation(users, number),
        "min_amount": number.where(known, users.low) / MINOR_UNITS,
        "max_amount": number.where(known, users.high) / MINOR_UNITS,
        "total_spent": history.total / MINOR_UNITS,
        "days_since_last": number.where(known, time_us - users.last_us) / DAY_US,
        "days_since_first": (number.where(known, time_us - users.first_day * DAY_US) / DAY_US),
    }
    for label, window in (("1d", users.day), ("7d", users.week), ("30d", users.month)):
        values[f"user_count_{label}"] = number.double(window.count)
        values[f"user_avg_amount_{label}"] = _mean(window, number)
    for minutes, window in ((5, users.minutes_5), (10, users.minutes_10)):
        values[f"transactions_last_{minutes}min"] = number.double(window.count)
        values[f"total_spent_last_{minutes}min"] = window.total / MINOR_UNITS
        values[f"avg_amount_last_{minutes}min"] = _mean(window, number)
    return values


def merchant_values(
    merchants: MerchantAggregates, number: Arithmetic = COLUMNS
) -> dict[str, Number]:
    """Values of the two merchant views, float64; NaN where there is no value.

    Args:
        merchants: aggregates of N requests, or of one in Python's numbers.
        number: what to compute with, ``COLUMNS`` or ``ROW``.
    """
    values: dict[str, Number] = {}
    for label, window in (("1d", merchants.day), ("7d", merchants.week), ("30d", merchants.month)):
        values[f"merchant_count_{label}"] = number.double(window.count)
        values[f"merchant_fraud_share_{label}"] = number.ratio(window.frauds, window.count)
    streak = merchants.streak
    values["merchant_days_since_nonfraud"] = number.where(
        streak.nonfraud_age > 0, streak.nonfraud_age
    )
    values["merchant_fraud_streak"] = number.double(streak.frauds)
    values["merchant_fraud_streak_days"] = number.where(streak.frauds > 0, streak.age)
    values["merchant_fraud_streak_ratio"] = number.ratio(streak.ratios, streak.frauds) / PER_MEAN
    return values


def local_time(time_us: Number, zone: str = CALENDAR_ZONE) -> Number:
    """Shift UTC microseconds to wall-clock microseconds of ``zone``, an int or [N] int64.

    Every offset in the IANA database since 1973 begins and ends on a quarter of an hour, so each
    quarter is looked up once. (Before, Monrovia's clocks were 44 minutes and 30 seconds off.)
    """
    if zone == "UTC":
        return time_us
    if isinstance(time_us, int):
        return time_us + _offset_s(time_us // _QUARTER_US, ZoneInfo(zone)) * 1_000_000
    quarters, position = np.unique(time_us // _QUARTER_US, return_inverse=True)
    tz = ZoneInfo(zone)
    offsets = np.array([_offset_s(int(quarter), tz) for quarter in quarters], dtype=np.int64)
    return time_us + offsets[position] * 1_000_000


def _offset_s(quarter: int, tz: ZoneInfo) -> int:
    utc = _EPOCH + timedelta(microseconds=quarter * _QUARTER_US)
    wall = utc.astimezone(tz)
    return round((wall.replace(tzinfo=None) - utc.replace(tzinfo=None)).total_seconds())


def on_demand_values(
    stored: Mapping[str, Number],
    time_us: Number,
    amount_minor: Number,
    number: Arithmetic = COLUMNS,
) -> dict[str, Number]:
    """Values that need the request itself, float64; NaN where there is no value.

    Args:
        stored: the values of the user views.
        time_us: event times, microseconds since 1970-01-01 UTC.
        amount_minor: amounts in minor units.
        number: what to compute with, ``COLUMNS`` or ``ROW``.
    """
    # The offline store keeps 32 bits. Both sides go on from what it keeps, so that they agree.
    stored = {name: number.single(stored[name]) for name in _READ_ON_DEMAND}
    ratio = number.ratio
    amount = amount_minor / MINOR_UNITS
    wall = local_time(time_us)
    hour = (wall // HOUR_US) % 24
    weekday = (wall // DAY_US + 3) % 7  # 1970-01-01 was a Thursday
    last = number.filled(stored["days_since_last"], 0.0)
    first = number.filled(stored["days_since_first"], 0.0)
    return {
        "amount": amount,
        "hour_of_day": number.double(hour),
        "day_of_week": number.double(weekday),
        "is_weekend": number.double(weekday >= _SATURDAY),
        "is_night": number.double(hour <= NIGHT_ENDS),
        "amount_over_avg": ratio(amount, stored["avg_amount"]),
        "amount_over_avg_1d": ratio(amount, stored["user_avg_amount_1d"]),
        "amount_over_avg_7d": ratio(amount, stored["user_avg_amount_7d"]),
        "amount_over_avg_30d": ratio(amount, stored["user_avg_amount_30d"]),
        "amount_zscore": ratio(amount - stored["avg_amount"], stored["std_amount"]),
        "amount_over_max": ratio(amount, stored["max_amount"]),
        "spending_peak": ratio(stored["max_amount"], stored["avg_amount"]),
        "spending_trend_7d": ratio(stored["user_avg_amount_7d"], stored["avg_amount"]),
        "spending_trend_30d": ratio(stored["user_avg_amount_30d"], stored["avg_amount"]),
        "spending_velocity": stored["total_spent"] / (last + 1.0),
        "transaction_frequency": stored["total_transactions"] / (first + 1.0),
    }


def vector(values: dict[str, Float]) -> NDArray[np.float32]:
    """Return the model's input, [N, F] float32 in the order of ``FEATURE_NAMES``.

    A value that is missing takes the feature's default. Values are rounded to float32; those that
    come from the offline store, which keeps 32 bits, already are.
    """
    rows = len(next(iter(values.values())))
    matrix = np.empty((rows, len(FEATURES)), dtype=np.float32)
    # A block of all columns stays in the processor's cache; a whole column does not.
    for start in range(0, rows, _BLOCK):
        block = np.array([values[name][start : start + _BLOCK] for name in FEATURE_NAMES]).T
        matrix[start : start + _BLOCK] = _without_gaps(block)
    return matrix


def gaps(values: dict[str, Float]) -> NDArray[np.bool_]:
    """Return where a value is missing, so that the vector holds a default, ``[N, F]`` likewise."""
    rows = len(next(iter(values.values())))
    missing = np.empty((rows, len(FEATURES)), dtype=np.bool_)
    for place, name in enumerate(FEATURE_NAMES):
        missing[:, place] = np.isnan(values[name])
    return missing


def vector_of(table: Float) -> NDArray[np.float32]:
    """Return the same from a table of all values, [N, F] in the order of ``FEATURE_NAMES``."""
    return _without_gaps(table).astype(np.float32)


def _without_gaps(table: Float) -> Float:
    return np.where(np.isnan(table), _DEFAULTS, table)
