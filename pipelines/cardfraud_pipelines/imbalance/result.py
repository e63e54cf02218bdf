"""What the comparison found."""

from datetime import date
from typing import Any, Literal

from cardfraud.contracts.frozen import Frozen

Stage = Literal["raw", "corrected", "calibrated"]
"""The estimator's own probability; that with the prior put back; that after Platt's curve."""


class Probabilities(Frozen):
    """How far probabilities are from outcomes on the test rows."""

    brier: float
    calibration_error: float
    """Expected calibration error over 15 bins of equal width."""
    mean: float
    """Mean probability, to stand beside the share of frauds."""


class Run(Frozen):
    """One fit: an estimator, a treatment, a week and a seed."""

    estimator: str
    treatment: str
    week: date
    seed: int
    fitted_rows: int
    fitted_frauds: int
    fit_seconds: float
    average_precision: float
    auc_roc: float
    share_of_ceiling: float
    """Card Precision@100 over what a perfect scorer reaches on the same rows."""
    probabilities: dict[Stage, Probabilities]


class Spread(Frozen):
    """Mean, lowest and highest over weeks and seeds."""

    mean: float
    low: float
    high: float


class Summary(Frozen):
    """One estimator with one treatment, over all weeks and seeds."""

    estimator: str
    treatment: str
    fit_seconds: float
    average_precision: Spread
    auc_roc: Spread
    share_of_ceiling: Spread
    gained: Spread
    """Average precision above that without treatment, of the same week and seed."""
    probabilities: dict[Stage, Probabilities]
    """Means."""


class ImbalanceResult(Frozen):
    """The whole comparison."""

    weeks: tuple[date, ...]
    seeds: tuple[int, ...]
    test_rows: dict[date, int]
    test_frauds: dict[date, int]
    parameters: dict[str, dict[str, Any]]
    summaries: tuple[Summary, ...]
    runs: tuple[Run, ...]
