import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.contracts.bundle import InputColumn, Signature
from cardfraud.features.concepts import CONCEPTS, Concept, members
from cardfraud.features.definitions import FEATURE_NAMES, FEATURES, feature_set_digest
from cardfraud.scoring.contributions import Explainer, explainer, log_odds
from cardfraud.scoring.session import OnnxScorer
from tests.support.bundles import signature
from tests.support.graphs import logistic

WIDTH = len(FEATURE_NAMES)
Model = Callable[[NDArray[np.float32]], NDArray[np.float64]]


def _asked(typical: NDArray[np.float32], *, names: tuple[str, ...] = FEATURE_NAMES) -> Explainer:
    """Return the explainer of a model that reads ``names``, with ``typical`` by feature."""
    columns = tuple(
        InputColumn(name=name, default=0.0, typical=float(typical[FEATURE_NAMES.index(name)]))
        for name in names
    )
    made = explainer(Signature(feature_set_digest=feature_set_digest(), inputs=columns))
    assert made is not None
    return made


def _contributions(
    model: Model, row: NDArray[np.float32], typical: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Ask a model of log-odds as a server asks one of probabilities."""
    asked = _asked(typical)
    return asked.contributions(1 / (1 + np.exp(-model(asked.coalitions(row)))))


def _of(concept: Concept) -> list[int]:
    return list(members(concept, FEATURE_NAMES))


def _two_rows(seed: int = 1) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    row, typical = random.normal(size=(2, WIDTH)).astype(np.float32)
    return row, typical


def _rough(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return a score with interactions between concepts, as a tree has them."""
    exact = rows.astype(np.float64)
    means = [exact[:, _of(one)].mean(axis=1) for one in CONCEPTS]
    return np.asarray(
        np.sin(means[0]) + means[1] * means[2] + np.maximum(means[3], means[4] * means[5]),
        dtype=np.float64,
    )


def _by_orders(
    model: Model, row: NDArray[np.float32], typical: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the Shapley values by their definition: the mean gain over all orders of joining."""
    worth: dict[frozenset[Concept], float] = {}
    for size in range(len(CONCEPTS) + 1):
        for chosen in itertools.combinations(CONCEPTS, size):
            mixed = typical.copy()
            for concept in chosen:
                mixed[_of(concept)] = row[_of(concept)]
            worth[frozenset(chosen)] = float(model(mixed[None])[0])
    gains = dict.fromkeys(CONCEPTS, 0.0)
    orders = list(itertools.permutations(CONCEPTS))
    for order in orders:
        there: frozenset[Concept] = frozenset()
        for concept in order:
            gains[concept] += worth[there | {concept}] - worth[there]
            there |= {concept}
    return np.array([gains[concept] / len(orders) for concept in CONCEPTS])


def test_contributions_are_the_mean_gain_over_all_orders() -> None:
    """On a score with interactions they are what the definition gives, found by trying all."""
    row, typical = _two_rows()
    fast = _contributions(_rough, row, typical)
    np.testing.assert_allclose(fast, _by_orders(_rough, row, typical), atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_contributions_add_up_to_the_difference(seed: int) -> None:
    """Together they are the transaction's score less that of the typical row."""
    row, typical = _two_rows(seed)
    low, high = _rough(np.array([typical, row]))
    assert _contributions(_rough, row, typical).sum() == pytest.approx(high - low, abs=1e-9)


def test_equal_concepts_contribute_equally() -> None:
    """Two concepts that the score treats alike, with the same values, get the same share."""
    random = np.random.default_rng(2)
    one, other = _of(Concept.AMOUNT), _of(Concept.TIME)
    row, typical = random.normal(size=(2, WIDTH)).astype(np.float32)
    row[one + other], typical[one + other] = 2.0, 0.5

    def product(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        third = rows[:, _of(Concept.USER_PACE)[0]]
        return np.asarray(rows[:, one[0]] * rows[:, other[0]] * third, dtype=np.float64)

    given = dict(zip(CONCEPTS, _contributions(product, row, typical), strict=True))
    assert given[Concept.AMOUNT] == pytest.approx(given[Concept.TIME], abs=1e-9)
    assert abs(given[Concept.AMOUNT]) > 0.01


def test_a_concept_that_the_model_does_not_read_contributes_nothing() -> None:
    """Through a real graph: what weighs nothing, or is as typical, gets exactly nothing."""
    scorer = OnnxScorer(logistic({"amount": 0.7, "merchant_count_7d": 0.4}), signature())
    row, typical = _two_rows(3)
    row[FEATURE_NAMES.index("merchant_count_7d")] = typical[
        FEATURE_NAMES.index("merchant_count_7d")
    ]
    asked = _asked(typical)
    answers = scorer.score(asked.coalitions(row))
    given = dict(zip(CONCEPTS, asked.contributions(answers), strict=True))
    amount = given.pop(Concept.AMOUNT)
    np.testing.assert_allclose(list(given.values()), 0.0, atol=1e-12)
    place = FEATURE_NAMES.index("amount")
    assert amount == pytest.approx(0.7 * float(row[place] - typical[place]), abs=1e-5)


def test_one_transaction_is_one_small_batch() -> None:
    """The rows are float32 of the model's width, the first typical, the last the transaction."""
    row, typical = _two_rows()
    rows = _asked(typical).coalitions(row)
    assert rows.dtype == np.float32
    assert rows.shape == (2 ** len(CONCEPTS), WIDTH) == (128, WIDTH)
    np.testing.assert_array_equal(rows[0], typical)
    np.testing.assert_array_equal(rows[-1], row)


def test_certainty_has_log_odds_too() -> None:
    """Probabilities of 0 and 1, which a forest gives, have finite log-odds, one half has 0."""
    given = log_odds(np.array([0.0, 0.5, 1.0], dtype=np.float32))
    assert np.isfinite(given).all()
    assert given[1] == 0
    assert given[0] < -9
    assert given[0] == pytest.approx(-given[2])


def test_a_model_that_reads_less_is_asked_less() -> None:
    """Only concepts that the model reads join, in the order of its own columns."""
    names = ("is_night", "merchant_fraud_share_7d", "amount", "merchant_fraud_share_1d")
    typical = np.arange(WIDTH, dtype=np.float32)
    asked = _asked(typical, names=names)
    assert asked.concepts == (Concept.AMOUNT, Concept.MERCHANT_FRAUDS, Concept.TIME)
    row = np.full(len(names), -1, dtype=np.float32)
    rows = asked.coalitions(row)
    assert rows.shape == (8, 4)
    np.testing.assert_array_equal(rows[0], [FEATURE_NAMES.index(name) for name in names])
    merchant = rows[0b010] == -1
    np.testing.assert_array_equal(merchant, [False, True, False, True])
    odds = rows.astype(np.float64) @ [0.001, 0.02, 0.003, 0.04]
    given = asked.contributions(1 / (1 + np.exp(-odds)))
    expected = [
        sum(
            weight * float(-1 - typical[FEATURE_NAMES.index(name)])
            for name, weight in zip(names, (0.001, 0.02, 0.003, 0.04), strict=True)
            if name in group
        )
        for group in (
            ("amount",),
            ("merchant_fraud_share_7d", "merchant_fraud_share_1d"),
            names[:1],
        )
    ]
    np.testing.assert_allclose(given, expected, atol=1e-9)


def test_a_bundle_that_does_not_know_what_is_typical_is_not_asked() -> None:
    """One column without a typical value is enough for a bundle to give no reasons."""
    assert explainer(signature()) is None
    columns = [
        InputColumn(name=feature.name, default=feature.default, typical=1.0) for feature in FEATURES
    ]
    whole = Signature(feature_set_digest=feature_set_digest(), inputs=tuple(columns))
    assert explainer(whole) is not None
    columns[-1] = columns[-1].model_copy(update={"typical": None})
    assert explainer(whole.model_copy(update={"inputs": tuple(columns)})) is None
