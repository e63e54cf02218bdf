"""What decisions cost in money."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.contracts.policy import CostMatrix
from cardfraud.evaluation.actions import Actions
from cardfraud.evaluation.inputs import column, labels_and_scores
from cardfraud.evaluation.result import Result


class OperatingPoint(Result):
    """Total cost of reviewing every score at or above a threshold."""

    threshold: float
    flagged: int
    cost: float


class CostSummary(Result):
    """Cost of a policy's decisions, in major units of the currency, over one set of rows.

    ``flag_nothing`` is the cost of letting all pass. ``cheapest`` is the review threshold that
    would have been cheapest in hindsight, without any decline; it is there to compare with, not to
    be served: it was chosen on the rows that it is judged by.
    """

    missed_fraud: float
    reviews: float
    false_declines: float
    total: float
    flag_nothing: float
    cheapest: OperatingPoint


def cost_summary(
    labels: ArrayLike,
    scores: ArrayLike,
    amounts: ArrayLike,
    *,
    costs: CostMatrix,
    actions: Actions,
) -> CostSummary:
    """Price decisions.

    Args:
        labels: ``[N]``, true or 1 is fraud.
        scores: ``[N]``, a higher score is a stronger suspicion; for the cheapest threshold.
        amounts: ``[N]`` in major units of the currency.
        costs: the cost matrix.
        actions: what was decided.

    Raises:
        InvalidFrame: the arrays do not fit together.
    """
    y, s = labels_and_scores(labels, scores)
    amount = column("amounts", amounts, len(y)).astype(np.float64)
    flagged = actions.stopped
    missed = float(amount[y & ~flagged].sum()) * costs.missed_fraud_share
    reviews = costs.review * int(flagged.sum())
    false_declines = costs.false_decline * int((~y & actions.declined).sum())
    every = cost_curve(y, s, amount, costs=costs)
    return CostSummary(
        missed_fraud=missed,
        reviews=reviews,
        false_declines=false_declines,
        total=missed + reviews + false_declines,
        flag_nothing=float(amount[y].sum()) * costs.missed_fraud_share,
        cheapest=min(every, key=lambda point: point.cost),
    )


def decision_costs(
    labels: ArrayLike,
    actions: Actions,
    amounts: ArrayLike,
    *,
    costs: CostMatrix,
) -> NDArray[np.float64]:
    """Return what the decision on each row costs, ``[N]``, in major units of the currency.

    The arguments are those of :func:`cost_summary`, whose ``total`` is the sum.

    Raises:
        InvalidFrame: the arrays do not fit together.
    """
    y, _ = labels_and_scores(labels, actions.stopped)
    amount = column("amounts", amounts, len(y)).astype(np.float64)
    flagged, declined = actions.stopped, actions.declined
    return (
        np.where(y & ~flagged, amount * costs.missed_fraud_share, 0.0)
        + np.where(flagged, costs.review, 0.0)
        + np.where(~y & declined, costs.false_decline, 0.0)
    )


def cost_curve(
    labels: ArrayLike,
    scores: ArrayLike,
    amounts: ArrayLike,
    *,
    costs: CostMatrix,
    points: int = 200,
) -> tuple[OperatingPoint, ...]:
    """Return the cost of reviewing down to thresholds taken from the scores, highest first.

    At most ``points`` thresholds are kept, spread evenly over the number of flagged rows on a
    logarithmic scale, because the interesting end is the one with few alerts.
    """
    y, s = labels_and_scores(labels, scores)
    amount = column("amounts", amounts, len(y)).astype(np.float64)
    order = np.argsort(-s, kind="stable")
    ranked = s[order]
    caught = np.cumsum(np.where(y[order], amount[order], 0.0)) * costs.missed_fraud_share
    total = float(caught[-1])
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    if len(ends) > points:
        ends = ends[np.unique(np.geomspace(1, len(ends), points).astype(np.int64) - 1)]
    return tuple(
        OperatingPoint(
            threshold=float(ranked[i]),
            flagged=int(i) + 1,
            cost=total - float(caught[i]) + costs.review * (int(i) + 1),
        )
        for i in ends
    )
