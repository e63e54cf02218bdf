import numpy as np
import pytest

from cardfraud.contracts.policy import CostMatrix, Thresholds
from cardfraud.evaluation.actions import Actions, act
from cardfraud.evaluation.cost import cost_curve, cost_summary

COSTS = CostMatrix(missed_fraud_share=1.0, review=5.0, false_decline=10.0)
LABELS = [1, 1, 0, 0]
SCORES = [0.9, 0.2, 0.8, 0.1]
AMOUNTS = [100.0, 40.0, 30.0, 20.0]


def _at(review: float, decline: float) -> Actions:
    return act(np.array(SCORES), Thresholds(review=review, decline=decline))


def test_the_cost_of_a_policy_is_the_sum_of_its_three_parts() -> None:
    """One missed fraud of 40, two reviews, one good transaction declined: 40 + 10 + 10."""
    found = cost_summary(LABELS, SCORES, AMOUNTS, costs=COSTS, actions=_at(0.5, 0.8))
    assert (found.missed_fraud, found.reviews, found.false_declines) == (40.0, 10.0, 10.0)
    assert found.total == 60.0
    assert found.flag_nothing == 140.0


def test_the_cheapest_threshold_is_found() -> None:
    """Catching 40 for two more reviews pays: three flagged rows cost 15."""
    found = cost_summary(LABELS, SCORES, AMOUNTS, costs=COSTS, actions=_at(0.5, 1.0))
    assert (found.cheapest.threshold, found.cheapest.flagged) == (0.2, 3)
    assert found.cheapest.cost == 15.0


def test_equal_scores_are_flagged_together() -> None:
    """No threshold lies between two equal scores."""
    (point,) = cost_curve([1, 0], [0.5, 0.5], [100.0, 1.0], costs=COSTS)
    assert (point.flagged, point.cost) == (2, 10.0)


def test_a_long_curve_is_thinned_and_keeps_the_end() -> None:
    """Thousands of scores give at most 200 points, the last of which flags every row."""
    rng = np.random.default_rng(0)
    y = rng.random(5_000) < 0.1
    curve = cost_curve(y, rng.random(5_000), rng.random(5_000) * 100, costs=COSTS)
    assert len(curve) <= 200
    assert curve[-1].flagged == 5_000
    assert curve[-1].cost == pytest.approx(5.0 * 5_000)
