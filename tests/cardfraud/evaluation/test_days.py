"""The daily figures: expected loss as a regression, the alert queue as a ranking."""

import numpy as np
import pytest

from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud.evaluation.alert_queue import alert_queue
from cardfraud.evaluation.expected_loss import expected_loss


def test_expected_loss_has_the_values_worked_out_by_hand() -> None:
    """Two days: 30 expected and 20 lost on the one, 50 and 100 on the other."""
    found = expected_loss(
        days=[8, 7, 7, 8],
        labels=[1, 1, 0, 0],
        probabilities=[0.5, 1.0, 0.25, 0.0],
        amounts=[100.0, 20.0, 40.0, 30.0],
    )
    assert found.days == (7, 8)
    assert found.expected == (30.0, 50.0)
    assert found.realised == (20.0, 100.0)
    assert found.errors.mae == pytest.approx((10 + 50) / 2)
    assert found.errors.rmse == pytest.approx(((10**2 + 50**2) / 2) ** 0.5)
    assert found.errors.mape == pytest.approx((10 / 20 + 50 / 100) / 2)
    # Around their mean of 60 the realised losses vary by 2 * 40 ** 2.
    assert found.errors.r2 == pytest.approx(1 - (10**2 + 50**2) / (2 * 40**2))


def test_probabilities_that_are_the_labels_lose_what_they_expect() -> None:
    """A scorer that knows the outcome makes no error on any day."""
    random = np.random.default_rng(0)
    labels = random.random(500) < 0.2
    found = expected_loss(
        random.integers(0, 7, 500), labels, labels.astype(float), random.lognormal(3, 1, 500)
    )
    assert found.errors.mae == 0.0
    assert found.errors.r2 == 1.0


def test_expected_loss_refuses_what_does_not_fit() -> None:
    """An array of another length is named."""
    with pytest.raises(InvalidFrame, match="amounts"):
        expected_loss([1, 1], [0, 1], [0.5, 0.5], [1.0])


def test_the_queue_has_the_values_worked_out_by_hand() -> None:
    """Day 1 ranks B, A, C with A compromised; day 2 has A first; day 3 has no fraud."""
    found = alert_queue(
        days=[1, 1, 1, 1, 2, 2, 3],
        cards=["A", "A", "B", "C", "A", "B", "A"],
        labels=[1, 0, 0, 0, 1, 0, 0],
        scores=[0.7, 0.1, 0.9, 0.5, 0.8, 0.2, 0.9],
        k=2,
    )
    first, second, third = found.days
    assert (first.cards, first.compromised, first.first_hit) == (3, 1, 2)
    assert first.precision_at_k == pytest.approx(1 / 2)
    # The gain at place 2 is discounted by log2(2 + 1); at place 1 it would have been 1.
    assert first.ndcg == pytest.approx(1 / np.log2(3))
    assert (second.precision_at_k, second.ndcg, second.first_hit) == (0.5, 1.0, 1)
    assert (third.precision_at_k, third.ndcg, third.first_hit) == (None, None, None)
    assert found.overall.queries_without_relevant == 1
    assert found.overall.mean_reciprocal_rank == pytest.approx((1 / 2 + 1) / 2)
    assert found.overall.mean_average_precision == pytest.approx((1 / 2 + 1) / 2)
    assert found.overall.precision_at_k == pytest.approx(1 / 2)


def test_a_caught_card_stays_in_the_queue_of_the_next_day() -> None:
    """Each day stands for itself: the same card is a hit on both days."""
    found = alert_queue([1, 1, 2, 2], ["A", "B", "A", "B"], [1, 0, 1, 0], [0.9, 0.1, 0.9, 0.1], k=1)
    assert [day.precision_at_k for day in found.days] == [1.0, 1.0]


def test_a_queue_without_places_is_refused() -> None:
    """Looking at no card at all is a mistake, not a figure."""
    with pytest.raises(InvalidSetting, match="k"):
        alert_queue([1], ["A"], [1], [0.5], k=0)
