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

from dataclasses import dataclass
from math import factorial
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.contracts.bundle import Signature
from cardfraud.features.concepts import CONCEPTS, Concept, members

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

PROBABILITY_FLOOR: Final = 1e-4
"""Probabilities are kept this far from 0 and 1: below one in 10,000 a difference is no reason."""


@dataclass(frozen=True, slots=True)
class Explainer:
    """What is asked of one model, made once; see :func:`explainer`.

    Attributes:
        concepts: the G concepts that the model reads anything of.
        typical: [F] float32, the row to compare with.
        own: [2**G, F], which columns are the transaction's own in each coalition.
        weights: [G, 2**G]; times the coalitions' log-odds they are the Shapley values.
    """

    concepts: tuple[Concept, ...]
    typical: Float32
    own: NDArray[np.bool_]
    weights: Float64

    def coalitions(self, vector_row: Float32) -> Float32:
        """Return the rows to ask the model about, [2**G, F] float32.

        The first is the typical row, the last the transaction.

        Args:
            vector_row: [F] the transaction's vector, in the signature's order.
        """
        return np.where(self.own, vector_row, self.typical)

    def contributions(self, probabilities: ArrayLike) -> Float64:
        """Return each concept's contribution in log-odds, [G], in the order of ``concepts``.

        They add up to the log-odds of the transaction less those of the typical row.

        Args:
            probabilities: [2**G] the model's answers to :meth:`coalitions`.
        """
        return self.weights @ log_odds(probabilities)


def explainer(signature: Signature) -> Explainer | None:
    """Return what is asked of a bundle's model; None where the bundle knows no typical row.

    A column that belongs to no concept is the transaction's own in every coalition.
    """
    names = [column.name for column in signature.inputs]
    typical = [column.typical for column in signature.inputs if column.typical is not None]
    concepts = tuple(concept for concept in CONCEPTS if members(concept, names))
    if len(typical) != len(names) or not concepts:
        return None
    present = _presence(len(concepts))
    own = np.ones((len(present), len(names)), dtype=np.bool_)
    for concept, column in zip(concepts, present.T, strict=True):
        own[:, members(concept, names)] = column[:, None]
    return Explainer(concepts, np.array(typical, dtype=np.float32), own, shapley_weights(present))


def log_odds(probabilities: ArrayLike) -> Float64:
    """Return the logarithm of p / (1 - p), p kept away from 0 and 1 by the floor."""
    p = np.asarray(probabilities, dtype=np.float64)
    p = np.clip(p, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    result: Float64 = np.log(p / (1 - p))
    return result


def shapley_weights(present: NDArray[np.bool_]) -> Float64:
    """Return [G, 2**G], so that weights times the coalitions' values are the Shapley values.

    Player g gets, over all coalitions S without it, the sum of |S|! (G - |S| - 1)! / G! times
    (value of S with g - value of S).

    Args:
        present: [2**G, G] which players are in each coalition, every coalition once.
    """
    players = present.shape[1]
    share = np.array(
        [
            factorial(size) * factorial(players - size - 1) / factorial(players)
            for size in range(players)
        ]
    )
    size = present.sum(axis=1, dtype=np.int64)
    joining = share[np.maximum(size - 1, 0)]
    staying = share[np.minimum(size, players - 1)]
    weights: Float64 = np.where(present, joining[:, None], -staying[:, None]).T
    return weights


def _presence(players: int) -> NDArray[np.bool_]:
    """All coalitions, [2**G, G]: coalition c has player g if bit g of c is set."""
    present: NDArray[np.bool_] = (np.arange(2**players)[:, None] >> np.arange(players)) & 1 == 1
    return present
