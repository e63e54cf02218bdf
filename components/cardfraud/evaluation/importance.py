"""Permutation importance: what a scorer loses when it is told another transaction's values.

The scorer is asked as it is served, through its graph, on a sample of the held-out rows. Features
that rise and fall together tell the same thing twice, and permuting one of them alone would show
that none of them matters; they are permuted together (Strobl et al., 2008, on correlated features).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud.evaluation.result import Result

Floats32 = NDArray[np.float32]

REDUNDANT: Final = 0.9
"""Features whose rank correlations are all at least this, either way, form one group."""
_MOST_FRAUDS: Final = 0.25
"""At most this share of the sample is frauds; there are rarely as many."""


class GroupImportance(Result):
    """What one group of features is worth."""

    features: tuple[str, ...]
    drop: float
    """Average precision lost, mean over the repetitions; below 0 it is noise."""
    low: float
    high: float
    """Smallest and largest of the repetitions."""


class Importance(Result):
    """Importance of every group of features, the most important first."""

    rows: int
    frauds: int
    repeats: int
    seed: int
    average_precision: float
    """Of the sample as it is, its rows weighted so that they stand for all held-out rows."""
    groups: tuple[GroupImportance, ...]


@dataclass(frozen=True, slots=True)
class _Sample:
    features: Floats32
    labels: NDArray[np.bool_]
    weights: NDArray[np.float64]

    def average_precision(self, scores: Floats32) -> float:
        from sklearn.metrics import average_precision_score

        return float(average_precision_score(self.labels, scores, sample_weight=self.weights))

    def told(self, donors: Floats32, group: Sequence[int], random: np.random.Generator) -> Floats32:
        """The features, with the columns of a group from the donors, in a random order."""
        features = self.features.copy()
        features[:, group] = donors[random.permutation(len(donors))][:, group]
        return features


def permutation_importance(
    score: Callable[[Floats32], Floats32],
    features: Floats32,
    labels: NDArray[np.bool_],
    names: Sequence[str],
    *,
    rows: int = 3_000,
    repeats: int = 3,
    seed: int = 0,
) -> Importance:
    """Measure how much average precision falls when a group of features is permuted.

    Frauds are rare, so the sample takes as many of them as it can and weighs the rows back. The
    permuted values come from rows drawn from all held-out rows alike, in which frauds are as rare
    as they are.

    Args:
        score: from ``[N, F]`` float32 to ``[N]`` probabilities.
        features: ``[N, F]`` of the held-out rows.
        labels: ``[N]``, true is fraud; both classes must occur.
        names: ``[F]`` names of the columns.
        rows: size of the sample.
        repeats: permutations of each group.
        seed: of the sample and of the permutations.

    Raises:
        InvalidFrame: the arrays do not fit together, or the rows hold one class only.
        InvalidSetting: ``rows`` or ``repeats`` is below 1.
    """
    if rows < 1 or repeats < 1:
        raise InvalidSetting("repeats", f"rows and repeats must be 1 or more: {rows}, {repeats}")
    _check(features, labels, names)
    random = np.random.default_rng(seed)
    sample = _sample(features, labels, rows, random)
    base = sample.average_precision(score(sample.features))
    donors = features[random.integers(len(features), size=len(sample.labels))]
    found = []
    for group in redundant_groups(donors):
        permuted = [
            sample.average_precision(score(sample.told(donors, group, random)))
            for _ in range(repeats)
        ]
        found.append(_importance([names[i] for i in group], [base - one for one in permuted]))
    found.sort(key=lambda each: (-each.drop, each.features))
    return Importance(
        rows=len(sample.labels),
        frauds=int(sample.labels.sum()),
        repeats=repeats,
        seed=seed,
        average_precision=base,
        groups=tuple(found),
    )


def redundant_groups(features: Floats32, threshold: float = REDUNDANT) -> list[list[int]]:
    """Group the columns of ``[N, F]`` whose Spearman correlations are all at least ``threshold``.

    Complete linkage, so that every pair in a group is that close. A constant column correlates with
    nothing and stands alone. Returned in the order of each group's first column.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform
    from scipy.stats import rankdata

    columns = features.shape[1]
    if columns < 2:
        return [[i] for i in range(columns)]
    ranks = rankdata(features, axis=0)
    ranks -= ranks.mean(axis=0)
    spread = np.sqrt((ranks**2).sum(axis=0))
    scaled = np.divide(ranks, spread, out=np.zeros_like(ranks), where=spread > 0)
    distance = np.clip(1 - np.abs(scaled.T @ scaled), 0, 1)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), method="complete")
    member = fcluster(tree, t=1 - threshold, criterion="distance")
    groups: dict[int, list[int]] = {}
    for position, group in enumerate(member.tolist()):
        groups.setdefault(group, []).append(position)
    return list(groups.values())


def _check(features: Floats32, labels: NDArray[np.bool_], names: Sequence[str]) -> None:
    if features.shape != (len(labels), len(names)):
        raise InvalidFrame("features", f"shape {features.shape}, {len(names)} names")
    if not labels.any() or labels.all():
        raise InvalidFrame("labels", "importance needs rows of both classes")


def _importance(features: Sequence[str], drops: Sequence[float]) -> GroupImportance:
    return GroupImportance(
        features=tuple(features), drop=float(np.mean(drops)), low=min(drops), high=max(drops)
    )


def _sample(
    features: Floats32, labels: NDArray[np.bool_], rows: int, random: np.random.Generator
) -> _Sample:
    frauds, others = np.flatnonzero(labels), np.flatnonzero(~labels)
    some = random.permutation(frauds)[: max(1, int(rows * _MOST_FRAUDS))]
    rest = random.permutation(others)[: max(1, rows - len(some))]
    weights = np.repeat([len(frauds) / len(some), len(others) / len(rest)], [len(some), len(rest)])
    taken = np.concatenate([some, rest])
    return _Sample(np.ascontiguousarray(features[taken]), labels[taken], weights)
