"""Platt calibration: a logistic curve from the margin of an estimator to a probability.

Source: Platt (1999), "Probabilistic Outputs for Support Vector Machines", with his smoothed
targets, fitted by Newton's method as in Lin, Lin and Weng (2007).
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

_ITERATIONS = 100
_RIDGE = 1e-9
_SMALLEST_SPREAD = 1e-6


@dataclass(frozen=True, slots=True)
class PlattCalibration:
    """``probability = sigmoid(slope * margin + intercept)``; the default changes nothing."""

    slope: float = 1.0
    intercept: float = 0.0

    def probability(self, margin: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the probability of each margin, ``[N]``."""
        return sigmoid(self.slope * margin + self.intercept).astype(np.float32)

    def as_dict(self) -> dict[str, float]:
        """Return both coefficients by name."""
        return asdict(self)


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``1 / (1 + exp(-values))`` without overflow."""
    return np.exp(-np.logaddexp(0.0, -values))


def fit_platt(margin: NDArray[np.float64], labels: NDArray[np.bool_]) -> PlattCalibration:
    """Fit slope and intercept to margins ``[N]`` and labels ``[N]`` that training did not see.

    A slope that is not positive would turn the ranking round, and one of constant margins is not
    determined: in both cases the slope stays 1 and only the intercept is fitted.
    """
    frauds = int(labels.sum())
    rest = len(labels) - frauds
    target = np.where(labels, (frauds + 1) / (frauds + 2), 1 / (rest + 2))
    ones = np.ones_like(margin)
    spread = float(margin.std())
    if spread > _SMALLEST_SPREAD:
        # Standardised, so that Newton's steps are well scaled whatever the margins' unit.
        centre = float(margin.mean())
        scaled = (margin - centre) / spread
        slope, intercept = _newton(np.column_stack([scaled, ones]), target, np.zeros(len(margin)))
        if slope > 0:
            return PlattCalibration(slope / spread, intercept - slope * centre / spread)
    (intercept,) = _newton(ones[:, None], target, margin)
    return PlattCalibration(1.0, intercept)


def _newton(
    design: NDArray[np.float64], target: NDArray[np.float64], offset: NDArray[np.float64]
) -> list[float]:
    """Coefficients of the logistic regression of ``target`` on ``design`` with an offset."""
    share = float(target.mean())
    beta = np.zeros(design.shape[1])
    beta[-1] = np.log(share / (1 - share)) - float(offset.mean())
    loss = _loss(design @ beta + offset, target)
    for _ in range(_ITERATIONS):
        p = sigmoid(design @ beta + offset)
        hessian = design.T @ (design * (p * (1 - p))[:, None]) + _RIDGE * np.eye(len(beta))
        step = np.linalg.solve(hessian, design.T @ (p - target))
        size = 1.0
        while size > _RIDGE and _loss(design @ (beta - size * step) + offset, target) > loss:
            size /= 2
        beta = beta - size * step
        previous, loss = loss, _loss(design @ beta + offset, target)
        if previous - loss < _RIDGE * (abs(loss) + _RIDGE):
            break
    return [float(b) for b in beta]


def _loss(z: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    return float(np.sum(np.logaddexp(0.0, z) - target * z))
