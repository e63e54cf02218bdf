"""The rows on which scorers are judged, and what a scorer says of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Thresholds


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Rows that no training has seen; every array is ``[N]``, ``features`` is ``[N, F]``.

    Attributes:
        labels: true is fraud.
        amounts: major units of the currency.
        days: days since 1970-01-01.
        cards: identifiers of the cards.
        segments: names, None where a row has no segment; None where no row has one.
        features: float32, one column for each of ``feature_names``.
        feature_names: names of the columns; empty where the rows carry no features.
    """

    labels: NDArray[np.bool_]
    amounts: NDArray[np.float64]
    days: NDArray[np.int64]
    cards: NDArray[np.str_]
    segments: NDArray[np.object_] | None
    features: NDArray[np.float32]
    feature_names: tuple[str, ...] = ()

    def feature(self, name: str) -> NDArray[np.float32] | None:
        """Return the column of a feature, or None where the rows do not carry it."""
        if name not in self.feature_names:
            return None
        column: NDArray[np.float32] = self.features[:, self.feature_names.index(name)]
        return column


@dataclass(frozen=True, slots=True)
class Scored:
    """A scorer on the held-out rows: its probabilities ``[N]`` and the thresholds it acts at."""

    scores: NDArray[np.float32]
    thresholds: Thresholds
