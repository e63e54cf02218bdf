"""The rows on which scorers are judged, and what a scorer says of them."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Rule, Thresholds
from cardfraud.errors import InvalidFrame
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
        missing: ``[N, F]``, true where there is no value, so that ``features`` holds the default
            that the model takes for it; None where no value is missing.
    """

    labels: NDArray[np.bool_]
    amounts: NDArray[np.float64]
    days: NDArray[np.int64]
    cards: NDArray[np.str_]
    segments: NDArray[np.object_] | None
    features: NDArray[np.float32]
    feature_names: tuple[str, ...] = ()
    missing: NDArray[np.bool_] | None = None

    def feature(self, name: str) -> NDArray[np.float32] | None:
        """Return the column of a feature, with defaults; None where the rows do not carry it."""
        if name not in self.feature_names:
            return None
        column: NDArray[np.float32] = self.features[:, self.feature_names.index(name)]
        return column

    def values(self, names: Collection[str]) -> dict[str, NDArray[np.float64]]:
        """Return what rules read, ``[N]`` each: NaN where there is no value, as servers have it.

        Rows without features still have their amounts.

        Raises:
            InvalidFrame: the rows do not carry one of the features.
        """
        found = {}
        for name in names:
            column = self.amounts if name == "amount" else self.feature(name)
            if column is None:
                raise InvalidFrame(name, "the held-out rows do not carry this feature")
            known = column.astype(np.float64)
            if self.missing is not None and name in self.feature_names:
                known[self.missing[:, self.feature_names.index(name)]] = np.nan
            found[name] = known
        return found


@dataclass(frozen=True, slots=True)
class Scored:
    """A scorer on the held-out rows: its probabilities ``[N]`` and what it acts by."""

    scores: NDArray[np.float32]
    thresholds: Thresholds
    rules: tuple[Rule, ...] = ()

    def actions(self, rows: HeldOut) -> Actions:
        """Return what its policy does with the rows: thresholds and active rules."""
        read = {one.field for rule in self.rules for one in rule.conditions}
        return act(self.scores, self.thresholds, self.rules, rows.values(read))
