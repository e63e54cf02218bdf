"""Intervals of figures: by bootstrap for what is compared, by formula for single shares."""

import numpy as np

from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.resampling import Sample
from cardfraud.evaluation.result import Result


class Interval(Result):
    """A figure with its percentile bootstrap interval.

    ``resamples`` counts the draws in which the figure was defined.
    """

    estimate: float
    low: float
    high: float
    level: float
    resamples: int


class Share(Result):
    """A share of ``count`` rows with its exact interval, which takes rows as independent."""

    count: int
    estimate: float
    low: float
    high: float


def percentile_interval(sample: Sample, level: float) -> Interval | None:
    """Return the interval between the percentiles of the draws; None for an undefined figure.

    Raises:
        InvalidSetting: ``level`` does not lie between 0 and 1.
    """
    _check_level(level)
    draws = sample.draws[np.isfinite(sample.draws)]
    if not np.isfinite(sample.estimate) or not len(draws):
        return None
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        estimate=sample.estimate,
        low=float(low),
        high=float(high),
        level=level,
        resamples=len(draws),
    )


def exact_share(successes: int, count: int, level: float) -> Share | None:
    """Return a share with the interval of Clopper and Pearson (1934); None without any row.

    It covers at least ``level`` however small the share or the count is.

    Raises:
        InvalidSetting: ``level`` does not lie between 0 and 1.
    """
    from scipy.special import betaincinv

    _check_level(level)
    if not count:
        return None
    tail, failures = (1 - level) / 2, count - successes
    low = betaincinv(successes, failures + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, failures, 1 - tail) if failures else 1.0
    return Share(count=count, estimate=successes / count, low=float(low), high=float(high))


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InvalidSetting("level", f"must lie between 0 and 1, got {level}")
