"""Which concept each feature belongs to."""

from __future__ import annotations

import dataclasses

import pytest

from cardfraud.features.concepts import (
    CONCEPT_BY_FEATURE,
    CONCEPTS,
    Concept,
    concept_of,
    members,
)
from cardfraud.features.definitions import (
    FEATURE_NAMES,
    MERCHANT_RISK_VIEW,
    ON_DEMAND_VIEW,
    USER_RECENT_VIEW,
    USER_WINDOWS_VIEW,
)


def test_every_feature_belongs_to_a_concept() -> None:
    """No feature is left without the word by which a reason would speak of it."""
    unassigned = [name for name in FEATURE_NAMES if name not in CONCEPT_BY_FEATURE]
    assert not unassigned, f"tell cardfraud.features.concepts where these belong: {unassigned}"


def test_the_concepts_part_the_input() -> None:
    """Every column is in exactly one concept, and no concept is empty."""
    columns = [column for concept in CONCEPTS for column in members(concept, FEATURE_NAMES)]
    assert sorted(columns) == list(range(len(FEATURE_NAMES)))
    assert all(members(concept, FEATURE_NAMES) for concept in CONCEPTS)


@pytest.mark.parametrize(
    ("name", "concept"),
    [
        ("amount", Concept.AMOUNT),
        ("amount_zscore", Concept.AMOUNT),
        ("merchant_fraud_share_7d", Concept.MERCHANT_FRAUDS),
        ("merchant_count_7d", Concept.MERCHANT_ACTIVITY),
        ("total_spent_last_5min", Concept.LAST_MINUTES),
        ("user_avg_amount_1d", Concept.USER_SPENDING),
        ("spending_velocity", Concept.USER_SPENDING),
        ("days_since_last", Concept.USER_PACE),
        ("user_count_1d", Concept.USER_PACE),
        ("is_night", Concept.TIME),
    ],
)
def test_a_feature_is_where_a_person_would_look(name: str, concept: Concept) -> None:
    """One feature of each kind has the concept that its name says."""
    assert CONCEPT_BY_FEATURE[name] is concept


def test_further_features_find_their_place() -> None:
    """Another window, or a new figure about a merchant's frauds, needs no new rule."""
    for view, known, name, concept in (
        (USER_WINDOWS_VIEW, "user_count_30d", "user_count_14d", Concept.USER_PACE),
        (
            USER_RECENT_VIEW,
            "transactions_last_5min",
            "transactions_last_1min",
            Concept.LAST_MINUTES,
        ),
        (MERCHANT_RISK_VIEW, "merchant_count_1d", "merchant_frauds_30d", Concept.MERCHANT_FRAUDS),
        (ON_DEMAND_VIEW, "amount_over_avg", "amount_over_max", Concept.AMOUNT),
    ):
        like = next(feature for feature in view.features if feature.name == known)
        assert concept_of(view, dataclasses.replace(like, name=name)) is concept


def test_a_feature_of_no_kind_that_is_known_is_told() -> None:
    """What no rule fits gets no concept, so that the first test names it."""
    like = ON_DEMAND_VIEW.features[0]
    assert concept_of(ON_DEMAND_VIEW, dataclasses.replace(like, name="shoe_size")) is None
