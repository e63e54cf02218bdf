"""The bootstrap: whole groups of rows are drawn, and many draws are measured at once.

A resample is a column of ``times``, ``[groups, B]``: how often each group, such as a card, was
drawn. Rows of one card are not independent of each other, so they are drawn together. A measure
turns ``times`` into figures ``[B]`` without ever copying rows; measures of two scorers see the same
``times``, which is what makes a comparison paired.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.inputs import column

Floats = NDArray[np.float64]
Measure = Callable[[Floats], Mapping[str, Floats]]
"""From ``times`` ``[groups, B]`` to figures by name, ``[B]`` each, NaN where undefined."""

_CHUNK_CELLS = 8_000_000


@dataclass(frozen=True, slots=True)
class Groups:
    """Which group each row belongs to: ``index`` is ``[N]``, from 0 up to, without, ``size``."""

    index: NDArray[np.int64]
    size: int

    def sums(self, *values: ArrayLike) -> Floats:
        """Return the sum of each of several ``[N]`` arrays over each group, ``[M, groups]``."""
        return np.stack(
            [
                np.bincount(self.index, weights=np.asarray(v, np.float64), minlength=self.size)
                for v in values
            ]
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """A figure on the rows as they are, and on each resample ``[B]``, NaN where undefined."""

    estimate: float
    draws: Floats


def grouped(groups: ArrayLike | None, rows: int) -> Groups:
    """Number the groups; None makes every row a group of its own."""
    if groups is None:
        return Groups(np.arange(rows), rows)
    names, index = np.unique(column("groups", groups, rows), return_inverse=True)
    return Groups(index.astype(np.int64), len(names))


def bootstrap(measure: Measure, groups: Groups, *, resamples: int, seed: int) -> dict[str, Sample]:
    """Measure the rows as they are and on ``resamples`` draws of as many groups as there are.

    Raises:
        InvalidSetting: ``resamples`` is below 1.
    """
    if resamples < 1:
        raise InvalidSetting("resamples", f"must be at least 1, got {resamples}")
    once = measure(np.ones((groups.size, 1)))
    parts = [measure(times) for times in _draws(groups, resamples, seed)]
    return {
        name: Sample(float(estimate[0]), np.concatenate([part[name] for part in parts]))
        for name, estimate in once.items()
    }


def _draws(groups: Groups, resamples: int, seed: int) -> Iterator[Floats]:
    random = np.random.default_rng(seed)
    size = groups.size
    # Bounded by the rows, too: a measure may need as many cells for each draw.
    step = max(1, _CHUNK_CELLS // max(size, len(groups.index)))
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = random.integers(size, size=(count, size)) + np.arange(count)[:, None] * size
        times = np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size)
        yield np.ascontiguousarray(times.T, dtype=np.float64)
