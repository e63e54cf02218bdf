import numpy as np
import pytest

from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud.evaluation.card_precision import card_precision


def test_a_caught_card_is_out_of_the_days_that_follow() -> None:
    """Card A is caught on day 1, so on day 2 the one place goes to card B."""
    found = card_precision(
        days=[1, 1, 2, 2],
        cards=["A", "B", "A", "B"],
        labels=[1, 0, 1, 1],
        scores=[0.9, 0.1, 0.9, 0.5],
        k=1,
    )
    assert found.daily == (1.0, 1.0)
    assert found.compromised == (1, 1)


def test_a_missed_card_stays() -> None:
    """A compromised card that was not among the first k still counts on the next day."""
    found = card_precision([1, 1, 2], ["A", "B", "A"], [1, 0, 1], [0.1, 0.9, 0.9], k=1)
    assert found.daily == (0.0, 1.0)
    assert found.compromised == (1, 1)


def test_a_card_counts_once_with_its_highest_score() -> None:
    """Many transactions of one card take one of the k places, and any fraud compromises it."""
    rows = ([1, 1, 1, 1], ["A", "A", "B", "C"], [0, 1, 0, 0], [0.9, 0.0, 0.5, 0.4])
    assert card_precision(*rows, k=1).daily == (1.0,)
    assert card_precision(*rows, k=2).daily == (0.5,)


def test_the_ceiling_is_what_a_perfect_scorer_gets() -> None:
    """With 3 compromised cards and 100 places nobody gets more than 0.03."""
    rng = np.random.default_rng(0)
    labels = np.zeros(500, dtype=bool)
    labels[:3] = True
    found = card_precision(np.ones(500), np.arange(500), labels, rng.random(500))
    assert found.ceiling == pytest.approx(0.03)
    assert found.mean <= found.ceiling
    perfect = card_precision(np.ones(500), np.arange(500), labels, labels.astype(float))
    assert perfect.share_of_ceiling == 1.0


def test_days_are_taken_in_their_own_order_not_in_that_of_the_rows() -> None:
    """Removal of caught cards follows the calendar even when rows are shuffled."""
    days, cards = np.array([1, 1, 2, 2]), np.array([1, 2, 1, 2])
    labels, scores = np.array([1, 0, 1, 1]), np.array([0.9, 0.1, 0.9, 0.5])
    order = [3, 1, 2, 0]
    shuffled = card_precision(days[order], cards[order], labels[order], scores[order], k=1)
    assert shuffled == card_precision(days, cards, labels, scores, k=1)


def test_no_fraud_leaves_no_share_of_the_ceiling() -> None:
    """Without a compromised card the ceiling is 0 and a share of it is not a number."""
    found = card_precision([1], ["A"], [0], [0.5])
    assert found.ceiling == 0.0
    assert found.share_of_ceiling is None


def test_bad_arguments_are_refused() -> None:
    """No places, or days that do not fit the rows, raise an error that names them."""
    with pytest.raises(InvalidSetting, match="k"):
        card_precision([1], ["A"], [1], [0.5], k=0)
    with pytest.raises(InvalidFrame, match="days"):
        card_precision([1, 2], ["A"], [1], [0.5])
