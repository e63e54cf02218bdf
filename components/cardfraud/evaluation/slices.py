"""The slices of the held-out rows on which a scorer errs most, found by exhaustive search.

A slice is all rows that share one value of one dimension, or one value of each of two. Every slice
with enough rows to be judged is looked at; none is sampled or pruned. A slice *misses* frauds when
its recall is low, and gives *false alerts* when its false positive rate is high. Slices are ranked
by the end of their exact interval that speaks for them (the upper end of the recall, the lower end
of the false positive rate), so that a handful of rows cannot lead the list. The level of the
intervals is divided by the number of slices looked at (Bonferroni), which allows for the search.
The intervals take rows as independent, and they are not: frauds on one card come in streaks. So a
slice that is worse than the whole *beyond chance* is one to look into, no proof of a weakness. A
slice of two dimensions is listed only when it is worse than both of the slices that it is cut from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.evaluation.inputs import column
from cardfraud.evaluation.intervals import Share, exact_share
from cardfraud.evaluation.resampling import Floats
from cardfraud.evaluation.result import Result


class Slice(Result):
    """What a scorer does on one slice; ``where`` names the value of each dimension."""

    where: Mapping[str, str]
    rows: int
    frauds: int
    missed: int
    false_alerts: int
    recall: Share | None
    false_positive_rate: Share | None
    cost: float
    """Cost of the decisions, in major units of the currency."""
    cost_per_thousand: float
    beyond_chance: bool
    """Whether it is worse than the whole by the interval, not only by the figure; the interval
    takes rows as independent."""


class WorstSlices(Result):
    """The worst slices of a scorer, the worst first."""

    overall: Slice
    searched: int
    """Slices with enough frauds or enough legitimate rows to be judged."""
    min_frauds: int
    min_legitimate: int
    misses: tuple[Slice, ...]
    """Slices whose recall lies below that of the whole."""
    false_alerts: tuple[Slice, ...]
    """Slices whose false positive rate lies above that of the whole."""


@dataclass(frozen=True, slots=True)
class _Counts:
    where: tuple[tuple[str, str], ...]
    rows: int
    frauds: int
    caught: int
    false_alerts: int
    cost: float

    @property
    def legitimate(self) -> int:
        return self.rows - self.frauds


def worst_slices(
    labels: NDArray[np.bool_],
    flagged: NDArray[np.bool_],
    costs: Floats,
    dimensions: Mapping[str, ArrayLike],
    *,
    min_frauds: int = 10,
    min_legitimate: int = 200,
    keep: int = 5,
    level: float = 0.95,
) -> WorstSlices:
    """Search all slices of one or two dimensions.

    Args:
        labels: ``[N]``, true is fraud.
        flagged: ``[N]``, whether the row was reviewed or declined.
        costs: ``[N]``, what the decision on the row costs, in major units of the currency.
        dimensions: ``[N]`` names of values, by dimension.
        min_frauds: frauds from which a slice's recall is judged.
        min_legitimate: legitimate rows from which its false positive rate is judged.
        keep: most slices of each list.
        level: of the intervals together.

    Raises:
        InvalidFrame: the arrays do not fit together.
    """
    names = {name: _numbered(name, values, len(labels)) for name, values in dimensions.items()}
    sums = np.stack([np.ones(len(labels)), labels, labels & flagged, flagged & ~labels, costs])
    found = {
        each.where: each
        for dims in (*combinations(names, 1), *combinations(names, 2))
        for each in _slices(names, dims, sums)
    }
    judged = [
        each
        for each in found.values()
        if each.frauds >= min_frauds or each.legitimate >= min_legitimate
    ]
    strict = 1 - (1 - level) / max(len(judged), 1)
    whole = _counted((), sums.sum(axis=1))
    search = _Search(whole, found, strict, keep)
    return WorstSlices(
        overall=search.described(whole, beyond_chance=False),
        searched=len(judged),
        min_frauds=min_frauds,
        min_legitimate=min_legitimate,
        misses=search.worst([s for s in judged if s.frauds >= min_frauds], _recall, sign=1),
        false_alerts=search.worst(
            [s for s in judged if s.legitimate >= min_legitimate], _false_positive_rate, sign=-1
        ),
    )


def _numbered(
    name: str, values: ArrayLike, rows: int
) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    found, number = np.unique(column(name, values, rows).astype(np.str_), return_inverse=True)
    return found, number.astype(np.int64)


def _slices(
    names: Mapping[str, tuple[NDArray[np.str_], NDArray[np.int64]]],
    dims: tuple[str, ...],
    sums: Floats,
) -> Iterator[_Counts]:
    """Every slice of these dimensions that holds a row."""
    shape = tuple(len(names[name][0]) for name in dims)
    place = np.ravel_multi_index([names[name][1] for name in dims], shape)
    size = int(np.prod(shape))
    table = np.stack([np.bincount(place, weights=each, minlength=size) for each in sums])
    for i in np.flatnonzero(table[0]):
        at = np.unravel_index(i, shape)
        where = tuple((name, str(names[name][0][j])) for name, j in zip(dims, at, strict=True))
        yield _counted(where, table[:, i])


def _counted(where: tuple[tuple[str, str], ...], counts: NDArray[Any]) -> _Counts:
    rows, frauds, caught, false_alerts = (int(value) for value in counts[:4])
    return _Counts(where, rows, frauds, caught, false_alerts, float(counts[4]))


def _recall(counts: _Counts, level: float) -> Share | None:
    return exact_share(counts.caught, counts.frauds, level)


def _false_positive_rate(counts: _Counts, level: float) -> Share | None:
    return exact_share(counts.false_alerts, counts.legitimate, level)


_Rate = Callable[[_Counts, float], Share | None]


@dataclass(frozen=True, slots=True)
class _Search:
    whole: _Counts
    found: Mapping[tuple[tuple[str, str], ...], _Counts]
    level: float
    keep: int

    def worst(self, judged: list[_Counts], rate: _Rate, *, sign: int) -> tuple[Slice, ...]:
        """The worst slices by a rate; ``sign`` is 1 where a low one is bad, -1 where a high one."""

        def badness(counts: _Counts) -> float:
            share = rate(counts, self.level)
            if share is None:
                return np.inf
            return share.high if sign > 0 else -share.low

        base = rate(self.whole, self.level)
        if base is None:
            return ()
        listed = []
        for each in judged:
            share = rate(each, self.level)
            parents = [self.found[(part,)] for part in each.where if len(each.where) > 1]
            worse = share is not None and sign * (share.estimate - base.estimate) < 0
            if worse and all(badness(each) < badness(parent) for parent in parents):
                listed.append(each)
        listed.sort(key=lambda each: (badness(each), each.where))
        return tuple(
            self.described(each, beyond_chance=badness(each) < sign * base.estimate)
            for each in listed[: self.keep]
        )

    def described(self, counts: _Counts, *, beyond_chance: bool) -> Slice:
        """The slice with its intervals."""
        return Slice(
            where=dict(counts.where),
            rows=counts.rows,
            frauds=counts.frauds,
            missed=counts.frauds - counts.caught,
            false_alerts=counts.false_alerts,
            recall=_recall(counts, self.level),
            false_positive_rate=_false_positive_rate(counts, self.level),
            cost=counts.cost,
            cost_per_thousand=1000 * counts.cost / counts.rows,
            beyond_chance=beyond_chance,
        )
