"""What an analyst calls the things that the features measure.

Single features explain little: the ratio of an amount to four means moves as one. A concept is a
group of features that a person would name with one word; a decision's reasons speak of concepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from cardfraud.contracts.features import Feature, FeatureView
from cardfraud.features.definitions import FEATURE_VIEWS, HOUR


class Concept(StrEnum):
    """A group of features under the name that reasons use."""

    AMOUNT = "amount"
    """The amount, by itself and against what the user usually spends."""
    MERCHANT_FRAUDS = "merchant's known frauds"
    MERCHANT_ACTIVITY = "merchant's activity"
    LAST_MINUTES = "user's last minutes"
    USER_SPENDING = "user's spending"
    USER_PACE = "user's pace"
    """How often and for how long the user has been paying."""
    TIME = "time"


CONCEPTS: Final = tuple(Concept)
"""All concepts, in the order in which contributions are counted."""

_ON_DEMAND: Final = (
    (("hour_", "day_of_week", "is_weekend", "is_night"), Concept.TIME),
    (("amount",), Concept.AMOUNT),
    (("spending_", "user_avg_", "user_spent_"), Concept.USER_SPENDING),
    (("transaction_", "user_"), Concept.USER_PACE),
)
"""How the names of features begin that need the request itself; the first that fits counts."""


def concept_of(view: FeatureView, feature: Feature) -> Concept | None:
    """Return the concept that a feature belongs to; None where no rule here knows it.

    Whose history it is, its window, its unit and its name decide, so that a further window of an
    aggregation that is known finds its place by itself.
    """
    if view.entity == "merchant" or feature.name.startswith("merchant_"):
        return Concept.MERCHANT_FRAUDS if "fraud" in feature.name else Concept.MERCHANT_ACTIVITY
    if view.entity == "user":
        if feature.window is not None and feature.window < HOUR:
            return Concept.LAST_MINUTES
        return Concept.USER_SPENDING if feature.unit == "currency" else Concept.USER_PACE
    fitting = (concept for begins, concept in _ON_DEMAND if feature.name.startswith(begins))
    return next(fitting, None)


CONCEPT_BY_FEATURE: Final[dict[str, Concept]] = {
    feature.name: concept
    for view in FEATURE_VIEWS
    for feature in view.features
    if (concept := concept_of(view, feature)) is not None
}
"""Concept of each feature; a feature that is absent would never be given as a reason."""


def members(concept: Concept, names: Sequence[str]) -> tuple[int, ...]:
    """Positions among ``names`` of the features that belong to ``concept``."""
    return tuple(
        position for position, name in enumerate(names) if CONCEPT_BY_FEATURE.get(name) is concept
    )
