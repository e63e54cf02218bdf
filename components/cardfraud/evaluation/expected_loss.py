"""Whether the money that the probabilities say will be lost is lost: a regression by day."""

import numpy as np
from numpy.typing import ArrayLike

from cardfraud.evaluation.inputs import column, labels_and_scores
from cardfraud.evaluation.regression import RegressionMetrics, regression_metrics
from cardfraud.evaluation.result import Result


class ExpectedLoss(Result):
    """Expected and realised fraud of each day, before any decision, in major units."""

    days: tuple[int, ...]
    expected: tuple[float, ...]
    """Sum over the day's transactions of probability times amount."""
    realised: tuple[float, ...]
    """Sum of the amounts of the day's frauds."""
    errors: RegressionMetrics


def expected_loss(
    days: ArrayLike, labels: ArrayLike, probabilities: ArrayLike, amounts: ArrayLike
) -> ExpectedLoss:
    """Measure the expected loss of each day against the realised one.

    Args:
        days: ``[N]`` integers that name the day of each transaction.
        labels: ``[N]``, true or 1 is fraud.
        probabilities: ``[N]``.
        amounts: ``[N]`` in major units of the currency.

    Raises:
        InvalidFrame: the arrays do not fit together.
    """
    y, p = labels_and_scores(labels, probabilities)
    amount = column("amounts", amounts, len(y)).astype(np.float64)
    names, day = np.unique(column("days", days, len(y)).astype(np.int64), return_inverse=True)
    expected = np.bincount(day, weights=p * amount, minlength=len(names))
    realised = np.bincount(day, weights=y * amount, minlength=len(names))
    return ExpectedLoss(
        days=tuple(names.tolist()),
        expected=tuple(expected.tolist()),
        realised=tuple(realised.tolist()),
        errors=regression_metrics(realised, expected),
    )
