"""How far probabilities are from observed shares."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud.evaluation.inputs import labels_and_scores
from cardfraud.evaluation.result import Result


class CalibrationBin(Result):
    """One bin of a reliability diagram."""

    count: int
    mean_probability: float
    observed_share: float


def brier_score(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean squared difference between probability and outcome."""
    y, p = _probabilities(labels, probabilities)
    return float(np.mean((p - y) ** 2))


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 15
) -> float:
    """Return the mean gap between probability and observed share, weighted by bin size.

    The bins have equal width over 0 to 1, as in Guo et al. (2017), "On Calibration of Modern
    Neural Networks".
    """
    table = calibration_bins(labels, probabilities, bins=bins)
    rows = sum(b.count for b in table)
    return sum(b.count * abs(b.mean_probability - b.observed_share) for b in table) / rows


def calibration_bins(
    labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 15
) -> tuple[CalibrationBin, ...]:
    """Return the bins of equal width that hold at least one row, lowest first.

    Raises:
        InvalidSetting: ``bins`` is below 1.
    """
    if bins < 1:
        raise InvalidSetting("bins", f"must be at least 1, got {bins}")
    y, p = _probabilities(labels, probabilities)
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    total_p = np.bincount(place, weights=p, minlength=bins)
    total_y = np.bincount(place, weights=y, minlength=bins)
    return tuple(
        CalibrationBin(
            count=int(count[i]),
            mean_probability=float(total_p[i] / count[i]),
            observed_share=float(total_y[i] / count[i]),
        )
        for i in np.flatnonzero(count)
    )


def _probabilities(
    labels: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    y, p = labels_and_scores(labels, probabilities)
    if p.min() < 0 or p.max() > 1:
        raise InvalidFrame("probabilities", "a value lies outside 0 to 1")
    return y, p
