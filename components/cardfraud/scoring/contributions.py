"""How much each concept contributed to a score: exact Shapley values over a few groups of features.

The score is compared with that of an ordinary transaction, one row of typical values. A coalition
is a set of concepts; its row has the transaction's values in these concepts and typical values in
all others. With G concepts there are 2**G rows, few enough to ask the model about every one of them
in one batch, so nothing is sampled and the same transaction always gets the same contributions.

Sources: Shapley, "A value for n-person games" (1953); Lundberg and Lee, "A unified approach to
interpreting model predictions" (2017); a single reference row as in Sundararajan and Najmi, "The
many Shapley values for model explanation" (2020), there called baseline Shapley.
"""

from __future__ import annotations

from math import factorial
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.contracts.bundle import Signature
from cardfraud.features.concepts import CONCEPTS, members
from cardfraud.features.definitions import FEATURE_NAMES

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

PROBABILITY_FLOOR: Final = 1e-4
"""Probabilities are kept this far from 0 and 1: below one in 10,000 a difference is no reason."""


def _presence(concepts: int) -> NDArray[np.bool_]:
    """Which concepts are in each coalition, [2**G, G]: coalition c has concept g if bit g is set.

    The first coalition is empty, the last one is whole.
    """
    present: NDArray[np.bool_] = (np.arange(2**concepts)[:, None] >> np.arange(concepts)) & 1 == 1
    return present


def _weights(present: NDArray[np.bool_]) -> Float64:
    """Return [G, 2**G], so that weights times the coalitions' values are the Shapley values.

    Concept g gets, over all coalitions S without it, the sum of |S|! (G - |S| - 1)! / G! times
    (value of S with g - value of S).
    """
    concepts = present.shape[1]
    share = np.array(
        [
            factorial(size) * factorial(concepts - size - 1) / factorial(concepts)
            for size in range(concepts)
        ]
    )
    size = present.sum(axis=1, dtype=np.int64)
    joining = share[np.maximum(size - 1, 0)]
    staying = share[np.minimum(size, concepts - 1)]
    weights: Float64 = np.where(present, joining[:, None], -staying[:, None]).T
    return weights


def _features(present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which columns of the model's input are the transaction's own in each coalition, [2**G, F].

    A feature that no concept has is the transaction's own in every coalition.
    """
    own = np.ones((len(present), len(FEATURE_NAMES)), dtype=np.bool_)
    for concept, column in zip(CONCEPTS, present.T, strict=True):
        own[:, members(concept)] = column[:, None]
    return own


_PRESENT: Final = _presence(len(CONCEPTS))
_WEIGHTS: Final = _weights(_PRESENT)
_OWN: Final = _features(_PRESENT)
COALITIONS: Final = len(_PRESENT)
"""Rows that the model is asked about for one transaction."""


def typical_row(signature: Signature) -> Float32 | None:
    """Return the row of an ordinary transaction, [F] float32; None where the bundle knows none."""
    values = [column.typical for column in signature.inputs]
    if any(value is None for value in values):
        return None
    return np.array(values, dtype=np.float32)


def coalitions(vector_row: Float32, typical: Float32) -> Float32:
    """Return the rows to ask the model about, [2**G, F] float32.

    Args:
        vector_row: [F] the transaction's vector.
        typical: [F] the row to compare with.
    """
    return np.where(_OWN, vector_row, typical)


def log_odds(probabilities: ArrayLike) -> Float64:
    """Return the logarithm of p / (1 - p), p kept away from 0 and 1 by the floor."""
    p = np.asarray(probabilities, dtype=np.float64)
    p = np.clip(p, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    result: Float64 = np.log(p / (1 - p))
    return result


def shapley(values: Float64) -> Float64:
    """Return each concept's contribution, [G], in the order of ``CONCEPTS``.

    They add up to the last value less the first: the transaction less the typical row.

    Args:
        values: [2**G] log-odds of the rows of :func:`coalitions`.
    """
    return _WEIGHTS @ values
