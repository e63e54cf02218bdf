"""Small data in which fraud can be learnt, with the traits that have broken exports before."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NAMES = ("amount", "ratio", "count", "share", "constant")


@dataclass(frozen=True, slots=True)
class Rows:
    """Features ``[N, 5]`` float32 and labels ``[N]``."""

    x: NDArray[np.float32]
    y: NDArray[np.bool_]


def rows(count: int, seed: int) -> Rows:
    """Draw ``count`` rows: a skewed amount, a ratio, a count, a share that is mostly 0, a constant.

    Float32 values are dense enough that trees put thresholds between neighbouring ones.
    """
    rng = np.random.default_rng(seed)
    amount = rng.gamma(2.0, 30.0, count)
    ratio = rng.lognormal(0.0, 0.7, count)
    number = rng.poisson(4, count)
    share = np.where(rng.random(count) < 0.9, 0.0, rng.random(count))
    margin = 0.01 * amount + 1.2 * ratio + 6 * share - 6.5
    y = rng.random(count) < 1 / (1 + np.exp(-margin))
    x = np.column_stack([amount, ratio, number, share, np.full(count, 3.0)])
    return Rows(x.astype(np.float32), y)
