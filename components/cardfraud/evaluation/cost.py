"""What decisions cost in money."""

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field

from cardfraud.evaluation.inputs import column, labels_and_scores
from cardfraud.evaluation.result import Result


class CostMatrix(BaseModel):
    """Costs of one transaction by what it was and what was done with it.

    A missed fraud costs its amount times ``lost_share``. A transaction that is flagged costs one
    review, fraud or not. What passes rightly costs nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    review: float = Field(default=5.0, ge=0)
    """Cost of looking at one flagged transaction, in major units of the currency."""
    lost_share: float = Field(default=1.0, ge=0, le=1)
    """Share of a missed fraud's amount that is lost."""


class OperatingPoint(Result):
    """Total cost of flagging every score at or above a threshold."""

    threshold: float
    flagged: int
    cost: float


class CostSummary(Result):
    """Cost at a threshold, beside doing nothing and beside the cheapest threshold in hindsight."""

    at_threshold: OperatingPoint
    cheapest: OperatingPoint
    flag_nothing: float


def cost_summary(
    labels: ArrayLike,
    scores: ArrayLike,
    amounts: ArrayLike,
    *,
    costs: CostMatrix,
    threshold: float,
) -> CostSummary:
    """Price a threshold.

    Args:
        labels: ``[N]``, true or 1 is fraud.
        scores: ``[N]``, a higher score is a stronger suspicion.
        amounts: ``[N]`` in major units of the currency.
        costs: the cost matrix.
        threshold: a row is flagged when its score is at least this.

    Raises:
        InvalidFrame: the arrays do not fit together.
    """
    y, s = labels_and_scores(labels, scores)
    amount = column("amounts", amounts, len(y)).astype(np.float64)
    flagged = s >= threshold
    missed = float(amount[y & ~flagged].sum()) * costs.lost_share
    every = cost_by_threshold(y, s, amount, costs=costs)
    return CostSummary(
        at_threshold=OperatingPoint(
            threshold=threshold,
            flagged=int(flagged.sum()),
            cost=missed + costs.review * int(flagged.sum()),
        ),
        cheapest=min(every, key=lambda point: point.cost),
        flag_nothing=float(amount[y].sum()) * costs.lost_share,
    )


def cost_by_threshold(
    labels: ArrayLike,
    scores: ArrayLike,
    amounts: ArrayLike,
    *,
    costs: CostMatrix,
    points: int = 200,
) -> tuple[OperatingPoint, ...]:
    """Return the cost at thresholds taken from the scores, highest threshold first.

    At most ``points`` thresholds are kept, spread evenly over the number of flagged rows on a
    logarithmic scale, because the interesting end is the one with few alerts.
    """
    y, s = labels_and_scores(labels, scores)
    amount = column("amounts", amounts, len(y)).astype(np.float64)
    order = np.argsort(-s, kind="stable")
    ranked = s[order]
    saved = np.cumsum(np.where(y[order], amount[order], 0.0)) * costs.lost_share
    total = float(saved[-1])
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    if len(ends) > points:
        ends = ends[np.unique(np.geomspace(1, len(ends), points).astype(np.int64) - 1)]
    return tuple(
        OperatingPoint(
            threshold=float(ranked[i]),
            flagged=int(i) + 1,
            cost=total - float(saved[i]) + costs.review * (int(i) + 1),
        )
        for i in ends
    )
