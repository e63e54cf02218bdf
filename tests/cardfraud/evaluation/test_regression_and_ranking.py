import pytest

from cardfraud.errors import InvalidFrame
from cardfraud.evaluation.ranking import ranking_metrics
from cardfraud.evaluation.regression import regression_metrics


def test_regression_metrics_have_the_values_worked_out_by_hand() -> None:
    """One error of 1 in three rows gives the textbook values."""
    found = regression_metrics([1.0, 2.0, 4.0], [1.0, 2.0, 3.0])
    assert found.mae == pytest.approx(1 / 3)
    assert found.rmse == pytest.approx((1 / 3) ** 0.5)
    assert found.r2 == pytest.approx(1 - 1 / (14 / 3))
    assert found.mape == pytest.approx(0.25 / 3)


def test_undefined_regression_metrics_are_none() -> None:
    """Equal targets have no R2, and targets of 0 no percentage."""
    found = regression_metrics([0.0, 0.0], [1.0, 1.0])
    assert found.r2 is None
    assert found.mape is None


def test_regression_refuses_what_does_not_fit() -> None:
    """Different lengths and values that are not finite are errors."""
    with pytest.raises(InvalidFrame, match="fit together"):
        regression_metrics([1.0], [1.0, 2.0])
    with pytest.raises(InvalidFrame, match="finite"):
        regression_metrics([1.0, float("nan")], [1.0, 2.0])


def test_ranking_metrics_have_the_values_worked_out_by_hand() -> None:
    """The relevant item is second in the one query and first in the other."""
    found = ranking_metrics([1, 1, 2, 2], [0, 1, 1, 0], [0.9, 0.5, 0.9, 0.5])
    assert found.mean_reciprocal_rank == pytest.approx((1 / 2 + 1) / 2)
    assert found.mean_average_precision == pytest.approx((1 / 2 + 1) / 2)
    assert found.ndcg == pytest.approx((0.6309297535714575 + 1) / 2)
    assert found.precision_at_k is None


def test_precision_counts_places_that_stay_empty() -> None:
    """One relevant item on the first two places, and two on the first four of three items."""
    for k, precision in ((1, 0.0), (2, 1 / 2), (4, 2 / 4)):
        found = ranking_metrics([1, 1, 1], [0, 1, 1], [0.9, 0.5, 0.1], k=k)
        assert found.precision_at_k == pytest.approx(precision)


@pytest.mark.parametrize("relevant", [[1, 0], [0, 1]])
def test_equal_scores_are_ranked_as_is_said(relevant: list[int]) -> None:
    """One of two equal items is relevant: only reciprocal rank and precision see which is first."""
    found = ranking_metrics([1, 1], relevant, [0.5, 0.5], k=1)
    assert found.mean_average_precision == pytest.approx(1 / 2)
    assert found.mean_reciprocal_rank == pytest.approx(1.0 if relevant[0] else 1 / 2)
    assert found.precision_at_k == relevant[0]
    whole = ranking_metrics([1, 1], relevant, [0.5, 0.5])
    assert whole.ndcg == pytest.approx((1 + 0.6309297535714575) / 2)


def test_queries_without_a_relevant_item_are_counted_and_left_out() -> None:
    """A day without fraud neither helps nor harms the mean."""
    found = ranking_metrics([1, 2, 2], [0, 1, 0], [0.9, 0.9, 0.1])
    assert (found.queries, found.queries_without_relevant) == (2, 1)
    assert found.ndcg == pytest.approx(1.0)
    empty = ranking_metrics([1], [0], [0.9])
    assert empty.ndcg is None
