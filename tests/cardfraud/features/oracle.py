"""Features by the book: slow loops over plain rows, which the fast code must agree with.

Nothing here imports the code under test except the names of constants that a definition fixes.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

import polars as pl

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 17_000 * DAY
"""A UTC midnight in July 2016, in microseconds."""


@dataclass(frozen=True)
class Payment:
    """One transaction of the tests."""

    id: str
    time_us: int
    user: str
    merchant: str
    amount: int


@dataclass(frozen=True)
class Report:
    """One label revision of the tests."""

    id: str
    fraud: bool
    reported_us: int
    revision: int


def transactions_frame(payments: list[Payment]) -> pl.DataFrame:
    """Return the canonical table, rows in the order given."""
    return pl.DataFrame(
        {
            "transaction_id": [p.id for p in payments],
            "event_time": [p.time_us for p in payments],
            "user_id": [p.user for p in payments],
            "merchant_id": [p.merchant for p in payments],
            "amount_minor": [p.amount for p in payments],
        },
        schema={
            "transaction_id": pl.String,
            "event_time": pl.Int64,
            "user_id": pl.String,
            "merchant_id": pl.String,
            "amount_minor": pl.Int64,
        },
    ).with_columns(pl.col("event_time").cast(pl.Datetime("us", "UTC")))


def labels_frame(reports: list[Report]) -> pl.DataFrame:
    """Return the canonical table of labels, rows in the order given."""
    return pl.DataFrame(
        {
            "transaction_id": [r.id for r in reports],
            "is_fraud": [r.fraud for r in reports],
            "reported_at": [r.reported_us for r in reports],
            "revision": [r.revision for r in reports],
        },
        schema={
            "transaction_id": pl.String,
            "is_fraud": pl.Boolean,
            "reported_at": pl.Int64,
            "revision": pl.Int32,
        },
    ).with_columns(pl.col("reported_at").cast(pl.Datetime("us", "UTC")))


def mean(amounts: list[int]) -> float:
    """Mean in major units, NaN of nothing."""
    return sum(amounts) / len(amounts) / 100 if amounts else math.nan


def user_values(payments: list[Payment], now: Payment) -> dict[str, float]:
    """Values of the three user views just before ``now``."""
    before = sorted(
        (p for p in payments if p.user == now.user and (p.time_us, p.id) < (now.time_us, now.id)),
        key=lambda p: (p.time_us, p.id),
    )
    days = {
        w: [p for p in before if p.time_us // DAY >= now.time_us // DAY - w] for w in (7, 30, 90)
    }
    days[1] = [p for p in before if p.time_us // HOUR >= now.time_us // HOUR - 24]
    history = days[90]
    amounts = [p.amount for p in history]
    values = {
        "total_transactions": float(len(history)),
        "avg_amount": mean(amounts),
        "std_amount": statistics.stdev(amounts) / 100 if len(amounts) > 1 else math.nan,
        "min_amount": min(amounts) / 100 if amounts else math.nan,
        "max_amount": max(amounts) / 100 if amounts else math.nan,
        "total_spent": sum(amounts) / 100,
        "days_since_last": (now.time_us - history[-1].time_us) / DAY if history else math.nan,
        "days_since_first": (
            (now.time_us - history[0].time_us // DAY * DAY) / DAY if history else math.nan
        ),
    }
    for w in (1, 7, 30):
        values[f"user_count_{w}d"] = float(len(days[w]))
        values[f"user_avg_amount_{w}d"] = mean([p.amount for p in days[w]])
    for m in (5, 10):
        recent = [p.amount for p in before[-32:] if p.time_us >= now.time_us - m * MINUTE]
        values[f"transactions_last_{m}min"] = float(len(recent))
        values[f"total_spent_last_{m}min"] = sum(recent) / 100
        values[f"avg_amount_last_{m}min"] = mean(recent)
    return values


def known_as_fraud(reports: list[Report], transaction: str, hour: int) -> bool:
    """Tell what the highest revision reported before a UTC hour began says."""
    known = [r for r in reports if r.id == transaction and r.reported_us < hour * HOUR]
    return max(known, key=lambda r: (r.revision, r.reported_us)).fraud if known else False


def merchant_values(
    payments: list[Payment], reports: list[Report], now: Payment
) -> dict[str, float]:
    """Values of the merchant views as of the UTC hour of ``now``."""
    today, hour = now.time_us // DAY, now.time_us // HOUR
    values: dict[str, float] = {}
    for w in (1, 7, 30):
        seen = [
            p
            for p in payments
            if p.merchant == now.merchant
            and p.time_us // DAY >= today - 7 - w
            and p.time_us // HOUR < hour - 7 * 24
        ]
        frauds = sum(known_as_fraud(reports, p.id, hour) for p in seen)
        values[f"merchant_count_{w}d"] = float(len(seen))
        values[f"merchant_fraud_share_{w}d"] = frauds / len(seen) if seen else math.nan
    return values | _streak_values(payments, reports, now)


def _streak_values(
    payments: list[Payment], reports: list[Report], now: Payment
) -> dict[str, float]:
    """Walk back day by day until a day has a transaction that is not known as fraud."""
    today, hour = now.time_us // DAY, now.time_us // HOUR
    nonfraud, streak, first = math.nan, list[Payment](), math.nan
    for age in range(7, 38):
        then = [
            p
            for p in payments
            if p.merchant == now.merchant
            and p.time_us // DAY == today - age
            and p.time_us // HOUR < hour - 7 * 24
        ]
        if not all(known_as_fraud(reports, p.id, hour) for p in then):
            nonfraud = float(age)
            break
        if then:
            streak, first = streak + then, float(age)
    ratios = [hundredths_of_mean(payments, p) for p in streak]
    return {
        "merchant_days_since_nonfraud": nonfraud,
        "merchant_fraud_streak": float(len(streak)),
        "merchant_fraud_streak_days": first,
        "merchant_fraud_streak_ratio": sum(ratios) / len(ratios) / 100 if ratios else math.nan,
    }


def hundredths_of_mean(payments: list[Payment], paid: Payment) -> int:
    """A payment's amount in hundredths of its user's mean of 90 days just before, at most 10,000.

    Halves are rounded up; without a mean above 0 it is as large as the mean.
    """
    before = [
        p.amount
        for p in payments
        if p.user == paid.user
        and (p.time_us, p.id) < (paid.time_us, paid.id)
        and p.time_us // DAY >= paid.time_us // DAY - 90
    ]
    if not sum(before):
        return 100
    ratio = Fraction(100 * paid.amount * len(before), sum(before))
    return min(10_000, math.floor(ratio + Fraction(1, 2)))


def on_demand_values(user: dict[str, float], now: Payment) -> dict[str, float]:
    """Values that need the request itself, in UTC."""
    moment = datetime.fromtimestamp(now.time_us // 1_000_000, UTC)
    amount = now.amount / 100

    def over(bottom: float, top: float = amount) -> float:
        return math.nan if math.isnan(bottom) or bottom == 0 else top / bottom

    def or_zero(value: float) -> float:
        return 0.0 if math.isnan(value) else value

    return {
        "amount": amount,
        "hour_of_day": float(moment.hour),
        "day_of_week": float(moment.weekday()),
        "is_weekend": float(moment.weekday() >= 5),
        "is_night": float(moment.hour <= 6),
        "amount_over_avg": over(user["avg_amount"]),
        "amount_over_avg_1d": over(user["user_avg_amount_1d"]),
        "amount_over_avg_7d": over(user["user_avg_amount_7d"]),
        "amount_over_avg_30d": over(user["user_avg_amount_30d"]),
        "amount_zscore": over(user["std_amount"], amount - user["avg_amount"]),
        "amount_over_max": over(user["max_amount"]),
        "spending_peak": over(user["avg_amount"], user["max_amount"]),
        "spending_trend_7d": over(user["avg_amount"], user["user_avg_amount_7d"]),
        "spending_trend_30d": over(user["avg_amount"], user["user_avg_amount_30d"]),
        "spending_velocity": user["total_spent"] / (or_zero(user["days_since_last"]) + 1.0),
        "transaction_frequency": user["total_transactions"]
        / (or_zero(user["days_since_first"]) + 1.0),
    }
