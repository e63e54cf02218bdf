"""Every feature view and state view there is, the model's input order, and their common digest."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Final

from cardfraud.contracts.features import Aggregation, Feature, FeatureView, StateView, canonical
from cardfraud.contracts.labels import LABEL_DELAY

OWNER: Final = "fraud-features"
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
HISTORY_WINDOW: Final = 90 * DAY
RISK_WINDOWS: Final = (1 * DAY, 7 * DAY, 30 * DAY)
STREAK_WINDOW: Final = 30 * DAY
RECENT_EVENTS: Final = 32
"""The minute windows see at most this many of a user's latest transactions, offline and online."""
CALENDAR_ZONE: Final = "UTC"
"""IANA zone of the calendar features."""
NIGHT_ENDS: Final = 6
"""Hours 0 to this one, inclusive, are night (as in the Fraud Detection Handbook, chapter 3)."""


def _over(days: int) -> tuple[str, timedelta]:
    return f"{days}d", timedelta(days=days)


def _history() -> FeatureView:
    def feature(
        name: str, aggregation: Aggregation, unit: str, sentence: str, default: float = 0.0
    ) -> Feature:
        return Feature(name, aggregation, default, unit, sentence, HISTORY_WINDOW)

    return FeatureView(
        name="user_transaction_features_v1",
        entity="user",
        owner=OWNER,
        resolution=DAY,
        description="What the user did over the last 90 days.",
        features=(
            feature("total_transactions", "count", "count", "Transactions in 90 days."),
            feature("avg_amount", "mean", "currency", "Mean amount in 90 days."),
            feature(
                "std_amount",
                "std",
                "currency",
                "Sample standard deviation of the amount in 90 days; none below two transactions.",
            ),
            feature("min_amount", "min", "currency", "Smallest amount in 90 days."),
            feature("max_amount", "max", "currency", "Largest amount in 90 days."),
            feature("total_spent", "sum", "currency", "Amount spent in 90 days."),
            feature(
                "days_since_last",
                "last",
                "days",
                "Days since the last transaction in 90 days.",
                default=91.0,
            ),
            feature(
                "days_since_first",
                "first",
                "days",
                "Days since the UTC day of the first transaction in 90 days began.",
            ),
        ),
    )


def _windows() -> FeatureView:
    features: list[Feature] = []
    for label, window in (_over(1), _over(7), _over(30)):
        features += [
            Feature(
                f"user_count_{label}",
                "count",
                0.0,
                "count",
                f"Transactions of the user in {label}.",
                window,
            ),
            Feature(
                f"user_avg_amount_{label}",
                "mean",
                0.0,
                "currency",
                f"Mean amount of the user in {label}.",
                window,
            ),
        ]
    return FeatureView(
        name="user_windows_v1",
        entity="user",
        owner=OWNER,
        resolution=HOUR,
        description="Count and mean amount over 1 day (hour tiles), 7 and 30 days (UTC-day tiles).",
        features=tuple(features),
    )


def _recent() -> FeatureView:
    features: list[Feature] = []
    for minutes in (5, 10):
        window = timedelta(minutes=minutes)
        features += [
            Feature(
                f"transactions_last_{minutes}min",
                "count",
                0.0,
                "count",
                f"Transactions of the user in {minutes} minutes.",
                window,
            ),
            Feature(
                f"total_spent_last_{minutes}min",
                "sum",
                0.0,
                "currency",
                f"Amount spent by the user in {minutes} minutes.",
                window,
            ),
            Feature(
                f"avg_amount_last_{minutes}min",
                "mean",
                0.0,
                "currency",
                f"Mean amount of the user in {minutes} minutes.",
                window,
            ),
        ]
    return FeatureView(
        name="user_recent_activity_v1",
        entity="user",
        owner=OWNER,
        description=f"The last minutes, exact, over at most {RECENT_EVENTS} transactions.",
        features=tuple(features),
    )


def _risk() -> FeatureView:
    features: list[Feature] = []
    for window in RISK_WINDOWS:
        label = f"{window.days}d"
        features += [
            Feature(
                f"merchant_count_{label}",
                "count",
                0.0,
                "count",
                f"Transactions at the merchant in {label} and the day's hours, before the delay.",
                window,
            ),
            Feature(
                f"merchant_fraud_share_{label}",
                "fraud_share",
                0.0,
                "share",
                f"Share of known frauds in {label} and the day's hours, before the delay.",
                window,
            ),
        ]
    return FeatureView(
        name="merchant_risk_v2",
        entity="merchant",
        owner=OWNER,
        resolution=DAY,
        refresh=HOUR,
        label_delay=LABEL_DELAY,
        description=(
            "From the UTC day D - delay - window to the UTC hour H - delay of the request, labels "
            "reported before H."
        ),
        features=tuple(features),
    )


def _streak() -> FeatureView:
    def feature(
        name: str, aggregation: Aggregation, unit: str, sentence: str, default: float = 0.0
    ) -> Feature:
        return Feature(name, aggregation, default, unit, sentence, STREAK_WINDOW)

    return FeatureView(
        name="merchant_fraud_streak_v2",
        entity="merchant",
        owner=OWNER,
        resolution=DAY,
        refresh=HOUR,
        label_delay=LABEL_DELAY,
        description=(
            "The known frauds on the days after the merchant's last day with any other "
            "transaction: a stolen terminal shows as an unbroken run. From the UTC day "
            "D - delay - window to the UTC hour H - delay of the request, labels reported before H."
        ),
        features=(
            feature(
                "merchant_days_since_nonfraud",
                "last",
                "days",
                "Days since the merchant's last UTC day with a transaction not known as fraud.",
                default=float((LABEL_DELAY + STREAK_WINDOW) // DAY + 1),
            ),
            feature(
                "merchant_fraud_streak",
                "count",
                "count",
                "Known frauds at the merchant since that day.",
            ),
            feature(
                "merchant_fraud_streak_days",
                "first",
                "days",
                "Days since the first of these frauds.",
            ),
            feature(
                "merchant_fraud_streak_ratio",
                "mean",
                "ratio",
                "Mean of these frauds' amounts over their users' means of 90 days at the time.",
            ),
        ),
    )


def _on_demand() -> FeatureView:
    def feature(name: str, unit: str, sentence: str) -> Feature:
        return Feature(name, "expression", 0.0, unit, sentence)

    return FeatureView(
        name="on_demand_v2",
        entity="request",
        owner=OWNER,
        description=f"From the request itself and the views above; calendar in {CALENDAR_ZONE}.",
        features=(
            feature("amount", "currency", "Amount of the transaction."),
            feature("hour_of_day", "hours", "Hour of the day, 0 to 23."),
            feature("day_of_week", "count", "Day of the week, Monday is 0."),
            feature("is_weekend", "flag", "1 on Saturday and Sunday."),
            feature("is_night", "flag", f"1 in the hours 0 to {NIGHT_ENDS}."),
            feature("amount_over_avg", "ratio", "Amount over the user's mean in 90 days."),
            feature("amount_over_avg_1d", "ratio", "Amount over the user's mean in 1 day."),
            feature("amount_over_avg_7d", "ratio", "Amount over the user's mean in 7 days."),
            feature("amount_over_avg_30d", "ratio", "Amount over the user's mean in 30 days."),
            feature("amount_zscore", "ratio", "Amount's distance from the mean, in deviations."),
            feature("amount_over_max", "ratio", "Amount over the user's largest in 90 days."),
            feature("spending_peak", "ratio", "Largest amount over the mean, both in 90 days."),
            feature("spending_trend_7d", "ratio", "Mean amount in 7 days over that in 90 days."),
            feature("spending_trend_30d", "ratio", "Mean amount in 30 days over that in 90 days."),
            feature("spending_velocity", "currency", "total_spent / (days_since_last + 1)."),
            feature(
                "transaction_frequency",
                "count",
                "total_transactions / (days_since_first + 1).",
            ),
        ),
    )


USER_HISTORY_VIEW: Final = _history()
USER_WINDOWS_VIEW: Final = _windows()
USER_RECENT_VIEW: Final = _recent()
MERCHANT_RISK_VIEW: Final = _risk()
MERCHANT_STREAK_VIEW: Final = _streak()
ON_DEMAND_VIEW: Final = _on_demand()

STORED_VIEWS: Final = (
    USER_HISTORY_VIEW,
    USER_WINDOWS_VIEW,
    USER_RECENT_VIEW,
    MERCHANT_RISK_VIEW,
    MERCHANT_STREAK_VIEW,
)
"""Views whose values the offline store keeps, one row for each transaction."""
FEATURE_VIEWS: Final = (*STORED_VIEWS, ON_DEMAND_VIEW)
"""All feature views, in the model's input order."""

FEATURES: Final = tuple(feature for view in FEATURE_VIEWS for feature in view.features)
FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)
"""Names of the model's inputs, in order."""

USER_HISTORY_STATE: Final = StateView(
    name="user_history_state_v1",
    entity="user",
    ttl=2 * DAY,
    writer="backfill",
    description="Tiles of the days before a watermark, written by the daily job.",
)
USER_STREAM_STATE: Final = StateView(
    name="user_stream_state_v1",
    entity="user",
    ttl=None,
    writer="stream",
    description="Tiles of the last days and the last events, written by the stream of events.",
)
MERCHANT_STATE: Final = StateView(
    name="merchant_state_v3",
    entity="merchant",
    ttl=2 * DAY,
    writer="backfill",
    description=(
        "Transactions, known frauds and these frauds' amounts against their users' means, a day; "
        "written by the hourly job."
    ),
)
STATE_VIEWS: Final = (USER_HISTORY_STATE, USER_STREAM_STATE, MERCHANT_STATE)


def feature_set_digest() -> str:
    """Return ``sha256:<hex>`` over every definition and every constant that gives it meaning.

    A bundle carries it, and a server refuses to start on a store or a bundle that has another.
    """
    document = {
        "views": [canonical(view) for view in FEATURE_VIEWS],
        "states": [canonical(view) for view in STATE_VIEWS],
        "recent_events": RECENT_EVENTS,
        "calendar_zone": CALENDAR_ZONE,
        "night_ends": NIGHT_ENDS,
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
