"""Metrics of predicted quantities."""

import numpy as np
from numpy.typing import ArrayLike

from cardfraud.errors import InvalidFrame
from cardfraud.evaluation.result import Result


class RegressionMetrics(Result):
    """Errors of predicted quantities.

    ``r2`` is None where the targets are all equal; ``mape`` (a fraction, not per cent) leaves out
    targets that are 0 and is None where all are.
    """

    rows: int
    mae: float
    rmse: float
    r2: float | None
    mape: float | None


def regression_metrics(targets: ArrayLike, predictions: ArrayLike) -> RegressionMetrics:
    """Measure ``[N]`` predictions against ``[N]`` targets, both finite and in the same unit.

    Raises:
        InvalidFrame: the arrays are empty, do not fit together, or are not finite.
    """
    from sklearn import metrics

    y = np.asarray(targets, dtype=np.float64)
    p = np.asarray(predictions, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or not len(y):
        raise InvalidFrame("predictions", f"shapes {y.shape} and {p.shape} do not fit together")
    if not (np.isfinite(y).all() and np.isfinite(p).all()):
        raise InvalidFrame("predictions", "a value is not finite")
    nonzero = y != 0
    return RegressionMetrics(
        rows=len(y),
        mae=float(metrics.mean_absolute_error(y, p)),
        rmse=float(metrics.root_mean_squared_error(y, p)),
        r2=float(metrics.r2_score(y, p)) if np.ptp(y) > 0 else None,
        mape=(
            float(metrics.mean_absolute_percentage_error(y[nonzero], p[nonzero]))
            if nonzero.any()
            else None
        ),
    )
