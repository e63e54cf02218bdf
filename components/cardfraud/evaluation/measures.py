"""The figures that a person decides on, as measures that the bootstrap can draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import CostMatrix
from cardfraud.evaluation.cost import decision_costs
from cardfraud.evaluation.held_out import HeldOut, Scored
from cardfraud.evaluation.resampling import Floats, Groups

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Separation:
    """Average precision and area under the ROC curve, over all thresholds.

    Both change only at the scores of frauds, so the rows are counted between those: a resample
    costs one product of a sparse matrix with a vector. Equal scores are treated as scikit-learn
    treats them.
    """

    def __init__(
        self, labels: NDArray[np.bool_], scores: NDArray[np.floating[Any]], groups: Groups
    ) -> None:
        """Count rows by group and by the highest fraud's score that they reach.

        Args:
            labels: ``[N]``, true is fraud.
            scores: ``[N]``.
            groups: of the ``[N]`` rows.
        """
        levels = np.unique(scores[labels])[::-1]
        place = np.searchsorted(-levels, -scores, side="left")
        equal = ~labels & (place < len(levels))
        equal[equal] = scores[equal] == levels[place[equal]]
        shape = (len(levels) + 1, groups.size)
        self._frauds = _counts(place[labels], groups.index[labels], shape)
        self._others = _counts(place[~labels], groups.index[~labels], shape)
        self._equal = _counts(place[equal], groups.index[equal], shape)

    def __call__(self, times: Floats) -> Mapping[str, Floats]:
        """Return both figures of each resample."""
        frauds = self._frauds @ times
        caught, false = np.cumsum(frauds, axis=0), np.cumsum(self._others @ times, axis=0)
        positives, negatives = caught[-1], false[-1]
        precision = ratio(caught, caught + false, otherwise=0.0)
        below = negatives - false + (self._equal @ times) / 2
        return {
            "average_precision": ratio((frauds * precision).sum(axis=0), positives),
            "auc_roc": ratio((frauds * below).sum(axis=0), positives * negatives),
        }


class Decisions:
    """What thresholds and active rules do: recall, false positive rate, precision, cost."""

    def __init__(self, rows: HeldOut, scored: Scored, costs: CostMatrix, groups: Groups) -> None:
        """Sum up each group once."""
        from scipy.sparse import csr_array

        y, actions = rows.labels, scored.actions(rows)
        flagged = actions.stopped
        cost = decision_costs(y, actions, rows.amounts, costs=costs)
        money, caught = rows.amounts * y, flagged & y
        # Sparse, because a product of small dense matrices waits for threads longer than it works.
        self._costs = costs
        self._sums = csr_array(
            groups.sums(np.ones(len(y)), y, flagged, caught, cost, money * flagged, money)
        )

    def __call__(self, times: Floats) -> Mapping[str, Floats]:
        """Return the figures of each resample."""
        rows, frauds, flagged, caught, cost, kept, lost = self._sums @ times
        nothing, everything = lost * self._costs.missed_fraud_share, rows * self._costs.review
        return {
            "recall": ratio(caught, frauds),
            "false_positive_rate": ratio(flagged - caught, rows - frauds),
            "precision": ratio(caught, flagged),
            "loss_prevented": ratio(kept, lost),
            "cost_per_thousand": ratio(1000 * cost, rows),
            "saving_per_thousand": ratio(1000 * (np.minimum(nothing, everything) - cost), rows),
        }


def ratio(numerator: Floats, denominator: Floats, *, otherwise: float = np.nan) -> Floats:
    """Divide element by element; ``otherwise`` where the denominator is 0."""
    out = np.full(np.broadcast(numerator, denominator).shape, otherwise)
    result: Floats = np.divide(numerator, denominator, out=out, where=denominator > 0)
    return result


def _counts(
    place: NDArray[np.intp], group: NDArray[np.int64], shape: tuple[int, int]
) -> csr_array[Any]:
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(place)), (place, group)), shape=shape)
