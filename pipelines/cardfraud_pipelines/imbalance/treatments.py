"""Ways to make frauds weigh more in training, each with the correction that takes it back.

A treatment that makes the odds of fraud ``c`` times as high in training adds ``log(c)`` to a
margin that fits it well; subtracting it gives log-odds for the data as they were. Source: Elkan
(2001), "The Foundations of Cost-Sensitive Learning", theorem 2; Dal Pozzolo, Caelen, Johnson and
Bontempi (2015), "Calibrating Probability with Undersampling for Unbalanced Classification".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.models.matrix import Float32Matrix

REST_PER_FRAUD: Final = 10
"""Legitimate rows for each fraud after resampling; more are left alone."""
NEIGHBOURS: Final = 5
NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Treated:
    """Rows to fit on: features ``[N, F]``, labels ``[N]``, the weight of a fraud.

    ``odds`` says how many times as high the odds of fraud became.
    """

    features: Float32Matrix
    labels: NDArray[np.bool_]
    weight: float = 1.0
    odds: float = 1.0


Treatment = Callable[[Float32Matrix, NDArray[np.bool_], int], Treated]


def none(features: Float32Matrix, labels: NDArray[np.bool_], _seed: int) -> Treated:
    """Leave the rows as they are."""
    return Treated(features, labels)


def class_weight(features: Float32Matrix, labels: NDArray[np.bool_], _seed: int) -> Treated:
    """Weigh frauds so that both classes have one total."""
    ratio = _rest_per_fraud(labels)
    return Treated(features, labels, weight=ratio, odds=ratio)


def undersampling(features: Float32Matrix, labels: NDArray[np.bool_], seed: int) -> Treated:
    """Keep all frauds and, drawn at random, :data:`REST_PER_FRAUD` other rows for each."""
    rest = np.flatnonzero(~labels)
    count = min(len(rest), REST_PER_FRAUD * int(labels.sum()))
    kept = np.random.default_rng(seed).choice(rest, size=count, replace=False)
    rows = np.sort(np.concatenate([np.flatnonzero(labels), kept]))
    return Treated(features[rows], labels[rows], odds=len(rest) / count)


def oversampling(features: Float32Matrix, labels: NDArray[np.bool_], seed: int) -> Treated:
    """Repeat frauds, drawn at random, until there is one for :data:`REST_PER_FRAUD` others."""
    frauds = np.flatnonzero(labels)
    more = np.random.default_rng(seed).choice(frauds, size=_wanted(labels))
    return _with_frauds(features, labels, features[more])


def smote(features: Float32Matrix, labels: NDArray[np.bool_], seed: int) -> Treated:
    """Add frauds made between a fraud and one of its neighbours, as many as oversampling does.

    Source: Chawla, Bowyer, Hall and Kegelmeyer (2002), "SMOTE: Synthetic Minority Over-sampling
    Technique". Neighbours are sought among standardised features, because units differ.
    """
    from sklearn.neighbors import NearestNeighbors

    frauds = features[labels].astype(np.float64)
    count = min(NEIGHBOURS, len(frauds) - 1)
    if count < 1:
        return oversampling(features, labels, seed)
    spread = features.std(axis=0, dtype=np.float64)
    near = NearestNeighbors(n_neighbors=count).fit(frauds / np.where(spread > 0, spread, 1))
    neighbours = near.kneighbors(return_distance=False)  # without the row itself
    random = np.random.default_rng(seed)
    start = random.integers(len(frauds), size=_wanted(labels))
    end = neighbours[start, random.integers(count, size=len(start))]
    share = random.random((len(start), 1))
    made = frauds[start] + share * (frauds[end] - frauds[start])
    return _with_frauds(features, labels, made.astype(np.float32))


TREATMENTS: Final[dict[str, Treatment]] = {
    NONE: none,
    "class weights": class_weight,
    "undersampling": undersampling,
    "oversampling": oversampling,
    "SMOTE": smote,
}


def _rest_per_fraud(labels: NDArray[np.bool_]) -> float:
    frauds = int(labels.sum())
    return (len(labels) - frauds) / frauds


def _wanted(labels: NDArray[np.bool_]) -> int:
    """How many frauds to add."""
    frauds = int(labels.sum())
    return max(0, (len(labels) - frauds) // REST_PER_FRAUD - frauds)


def _with_frauds(
    features: Float32Matrix, labels: NDArray[np.bool_], more: Float32Matrix
) -> Treated:
    frauds = int(labels.sum())
    return Treated(
        np.ascontiguousarray(np.concatenate([features, more])),
        np.concatenate([labels, np.ones(len(more), dtype=np.bool_)]),
        odds=(frauds + len(more)) / frauds,
    )
