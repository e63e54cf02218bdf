"""The list of features and its digest."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from cardfraud.contracts.features import FeatureView
from cardfraud.features import definitions

GOLDEN = "sha256:2782bfe2064be7b12adee25c412e545d23a42f78cdb7b6f71b61d5858c7bfe60"
"""Digest of the feature set as committed.

If a definition was changed on purpose, give the changed view a new version in its name, put what
the failing test prints here, and train again: every bundle made before is refused from then on.
"""

NAMES = [
    "total_transactions",
    "avg_amount",
    "std_amount",
    "min_amount",
    "max_amount",
    "total_spent",
    "days_since_last",
    "days_since_first",
    "user_count_1d",
    "user_avg_amount_1d",
    "user_count_7d",
    "user_avg_amount_7d",
    "user_count_30d",
    "user_avg_amount_30d",
    "transactions_last_5min",
    "total_spent_last_5min",
    "avg_amount_last_5min",
    "transactions_last_10min",
    "total_spent_last_10min",
    "avg_amount_last_10min",
    "merchant_count_1d",
    "merchant_fraud_share_1d",
    "merchant_count_7d",
    "merchant_fraud_share_7d",
    "merchant_count_30d",
    "merchant_fraud_share_30d",
    "merchant_days_since_nonfraud",
    "merchant_fraud_streak",
    "merchant_fraud_streak_days",
    "merchant_fraud_streak_ratio",
    "amount",
    "hour_of_day",
    "day_of_week",
    "is_weekend",
    "is_night",
    "amount_over_avg",
    "amount_over_avg_1d",
    "amount_over_avg_7d",
    "amount_over_avg_30d",
    "amount_zscore",
    "amount_over_max",
    "spending_peak",
    "spending_trend_7d",
    "spending_trend_30d",
    "spending_velocity",
    "transaction_frequency",
]


def test_names_are_unique_and_in_their_order() -> None:
    """The model's inputs have the order that was written down, and no name twice."""
    assert list(definitions.FEATURE_NAMES) == NAMES
    assert len(set(NAMES)) == len(NAMES)


def test_every_feature_says_what_it_is() -> None:
    """Each feature has a sentence and, but for expressions, a window."""
    for feature in definitions.FEATURES:
        assert feature.description.endswith("."), feature.name
        assert (feature.window is None) == (feature.aggregation == "expression"), feature.name


def test_the_digest_is_the_committed_one() -> None:
    """Nobody changes a definition without saying so here."""
    assert definitions.feature_set_digest() == GOLDEN


def test_the_digest_is_the_same_in_another_process() -> None:
    """Hash seeds and the order of imports have no part in it."""
    code = "from cardfraud.features.definitions import feature_set_digest as d; print(d())"
    for seed in ("1", "2"):
        result = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.strip() == GOLDEN


def _first_view(**changes: Any) -> tuple[FeatureView, ...]:
    view, *others = definitions.FEATURE_VIEWS
    return (dataclasses.replace(view, **changes), *others)


def _first_feature(**changes: Any) -> tuple[FeatureView, ...]:
    feature, *others = definitions.FEATURE_VIEWS[0].features
    return _first_view(features=(dataclasses.replace(feature, **changes), *others))


def _first_state(**changes: Any) -> tuple[Any, ...]:
    state, *others = definitions.STATE_VIEWS
    return (dataclasses.replace(state, **changes), *others)


@pytest.mark.parametrize(
    ("constant", "value"),
    [
        ("FEATURE_VIEWS", definitions.FEATURE_VIEWS[::-1]),
        ("FEATURE_VIEWS", definitions.FEATURE_VIEWS[:-1]),
        ("FEATURE_VIEWS", _first_view(name="user_transaction_features_v2")),
        ("FEATURE_VIEWS", _first_view(resolution=timedelta(hours=1))),
        ("FEATURE_VIEWS", _first_view(refresh=timedelta(hours=1))),
        ("FEATURE_VIEWS", _first_view(label_delay=timedelta(days=1))),
        ("FEATURE_VIEWS", _first_view(features=definitions.FEATURE_VIEWS[0].features[::-1])),
        ("FEATURE_VIEWS", _first_feature(name="count_of_transactions")),
        ("FEATURE_VIEWS", _first_feature(aggregation="sum")),
        ("FEATURE_VIEWS", _first_feature(default=1.0)),
        ("FEATURE_VIEWS", _first_feature(unit="days")),
        ("FEATURE_VIEWS", _first_feature(window=timedelta(days=89))),
        ("FEATURE_VIEWS", _first_feature(window=None)),
        ("STATE_VIEWS", _first_state(ttl=timedelta(days=3))),
        ("STATE_VIEWS", _first_state(name="user_history_state_v2")),
        ("STATE_VIEWS", _first_state(writer="stream")),
        ("RECENT_EVENTS", 33),
        ("CALENDAR_ZONE", "Europe/Paris"),
        ("NIGHT_ENDS", 5),
    ],
)
def test_the_digest_changes_with_every_kind_of_change(
    monkeypatch: pytest.MonkeyPatch, constant: str, value: object
) -> None:
    """Order, names, windows, defaults, units, delays and constants all are in the digest."""
    before = definitions.feature_set_digest()
    monkeypatch.setattr(definitions, constant, value)
    assert definitions.feature_set_digest() != before
