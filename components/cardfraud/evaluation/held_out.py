"""The rows on which scorers are judged, and what a scorer says of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Rule, Thresholds
from cardfraud.evaluation.actions import Actions, act


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

    def values(self) -> Mapping[str, NDArray[np.float64]]:
        """Return what rules read, by name.

        The amount is exact. All else is as the model sees it: float32, and where a value is
        missing its default, on which a rule may fire here and does not in service.
        """
        columns = self.features.astype(np.float64).T
        return {**dict(zip(self.feature_names, columns, strict=False)), "amount": self.amounts}


@dataclass(frozen=True, slots=True)
class Scored:
    """A scorer on the held-out rows: its probabilities ``[N]`` and what it acts by."""

    scores: NDArray[np.float32]
    thresholds: Thresholds
    rules: tuple[Rule, ...] = ()

    def actions(self, rows: HeldOut) -> Actions:
        """Return what its policy does with the rows: thresholds and active rules."""
        return act(self.scores, self.thresholds, self.rules, rows.values() if self.rules else None)
