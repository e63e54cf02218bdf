import math
import re
from itertools import product

import numpy as np
import pytest

from cardfraud.contracts.bundle import InputColumn, Signature
from cardfraud.features.concepts import CONCEPTS, Concept
from cardfraud.features.definitions import FEATURE_NAMES, FEATURES, feature_set_digest
from cardfraud.scoring.contributions import explainer
from cardfraud.scoring.reasons import (
    LEAST,
    MAX_LENGTH,
    MAX_SENTENCES,
    explain,
    sentences,
)
from cardfraud.scoring.session import OnnxScorer
from tests.support.graphs import logistic

VALUES = dict.fromkeys(FEATURE_NAMES, math.nan) | {
    "amount": 57.16,
    "amount_over_avg_30d": 57.16 / 7.05,
    "user_avg_amount_30d": 7.05,
    "avg_amount": 8.0,
    "max_amount": 20.5,
    "merchant_count_1d": 2.0,
    "merchant_fraud_share_1d": 0.5,
    "merchant_count_7d": 10.0,
    "merchant_fraud_share_7d": 0.4,
    "merchant_count_30d": 41.0,
    "merchant_fraud_share_30d": 4 / 41,
    "transactions_last_5min": 0.0,
    "transactions_last_10min": 3.0,
    "total_spent_last_10min": 99.5,
    "total_transactions": 12.0,
    "user_count_1d": 1.0,
    "days_since_last": 0.25,
    "day_of_week": 5.0,
    "hour_of_day": 3.0,
    "is_night": 1.0,
}
KNOWN = "whose labels are known"
NOTHING_KNOWN = dict.fromkeys(FEATURE_NAMES, math.nan) | {
    "amount": 5.0,
    "hour_of_day": 12.0,
    "day_of_week": 0.0,
    "is_night": 0.0,
    "transactions_last_5min": 0.0,
    "transactions_last_10min": 0.0,
    "total_transactions": 0.0,
    "merchant_count_30d": 0.0,
}


def _only(concept: Concept, values: dict[str, float]) -> str:
    contributions = np.array([1.0 if one is concept else 0.0 for one in CONCEPTS])
    (sentence,) = sentences(CONCEPTS, contributions, values)
    return sentence


@pytest.mark.parametrize(
    ("concept", "sentence"),
    [
        (
            Concept.AMOUNT,
            "amount: 8.1 times the user's mean of 30 days (57.16 against 7.05)",
        ),
        (
            Concept.MERCHANT_FRAUDS,
            f"merchant: 4 of its 10 transactions were fraud in the last 7 days {KNOWN}",
        ),
        (
            Concept.MERCHANT_ACTIVITY,
            f"merchant: 41 transactions in the last 30 days {KNOWN}",
        ),
        (
            Concept.LAST_MINUTES,
            "user: 3 further transactions in the last 10 minutes, 99.50 in all",
        ),
        (Concept.USER_SPENDING, "user: spends 8.00 on average in 90 days, at most 20.50"),
        (Concept.USER_PACE, "user: 1 transaction in 1 day, 12 in 90 days, the last 6 hours ago"),
        (Concept.TIME, "time: Saturday, hour 3 UTC, at night"),
    ],
)
def test_a_reason_has_the_numbers_that_an_analyst_would_look_up(
    concept: Concept, sentence: str
) -> None:
    """Each concept is said in words, with the transaction's own numbers."""
    assert _only(concept, VALUES) == sentence


def test_an_unbroken_run_of_frauds_is_said() -> None:
    """A merchant whose latest transactions were all fraud is another thing than one with some."""
    plain = _only(Concept.MERCHANT_FRAUDS, VALUES)
    for streak, said in ((1.0, plain), (3.0, f"{plain}, the latest 3 without exception")):
        assert _only(Concept.MERCHANT_FRAUDS, VALUES | {"merchant_fraud_streak": streak}) == said


def test_a_merchant_without_frauds_is_not_called_clean() -> None:
    """What speaks for fraud is said: the age of the last honest transaction, or that none is."""
    clean = VALUES | {f"merchant_fraud_share_{window}": 0.0 for window in ("1d", "7d", "30d")}
    said = _only(Concept.MERCHANT_FRAUDS, clean | {"merchant_days_since_nonfraud": 19.0})
    assert said == "merchant: its last transaction known as honest is 19 days old"
    said = _only(Concept.MERCHANT_FRAUDS, NOTHING_KNOWN)
    assert said == "merchant: no transaction of it is known in the last 30 days"


@pytest.mark.parametrize("concept", CONCEPTS)
def test_a_cold_start_is_said_and_no_number_made_up(concept: Concept) -> None:
    """Where nothing is known of user and merchant, no sentence says a number that is not there."""
    said = _only(concept, NOTHING_KNOWN)
    assert "nan" not in said
    assert re.search(r"\bno\b", said) or concept is Concept.TIME


def test_the_largest_contributions_come_first() -> None:
    """Three at most, in falling order; what speaks against fraud or hardly for it is no reason."""
    random = np.random.default_rng(4)
    for _ in range(50):
        contributions = random.normal(scale=0.5, size=len(CONCEPTS))
        given = sentences(CONCEPTS, contributions, VALUES)
        wanted = sorted(
            (one for one in range(len(CONCEPTS)) if contributions[one] >= LEAST),
            key=lambda one: -contributions[one],
        )[:MAX_SENTENCES]
        assert list(given) == [_only(CONCEPTS[one], VALUES) for one in wanted]


def test_no_reason_is_long() -> None:
    """The largest numbers that there can be still give sentences of bounded length."""
    for concept, value in product(CONCEPTS, (1e15, -1e15, 0.0, 999_999.99)):
        values = dict.fromkeys(FEATURE_NAMES, value) | {"day_of_week": 6.0}
        assert len(_only(concept, values)) <= MAX_LENGTH


def test_the_reason_for_a_score_is_what_the_model_reads() -> None:
    """Through a real graph, from vector to sentence: what moved the score is what is said."""
    columns = tuple(
        InputColumn(name=feature.name, default=feature.default, typical=0.0) for feature in FEATURES
    )
    described = Signature(feature_set_digest=feature_set_digest(), inputs=columns)
    weights = {"merchant_fraud_share_7d": 5.0, "amount": 0.01, "is_night": -1.0}
    scorer = OnnxScorer(logistic(weights, bias=-3.0), described)
    vector = np.array([VALUES[name] for name in FEATURE_NAMES], dtype=np.float32)
    vector = np.nan_to_num(vector)
    asked = explainer(described)
    assert asked is not None
    assert explain(asked, scorer.score(asked.coalitions(vector)), VALUES) == (
        _only(Concept.MERCHANT_FRAUDS, VALUES),
        _only(Concept.AMOUNT, VALUES),
    )
