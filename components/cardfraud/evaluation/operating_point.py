"""The thresholds of a policy, chosen from scores on rows that training did not see."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.contracts.policy import CostMatrix, Thresholds
from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.inputs import column, labels_and_scores

MIN_DECLINED = 20
"""A decline threshold needs at least this many rows above it to be trusted."""


def choose_thresholds(
    labels: ArrayLike,
    scores: ArrayLike,
    amounts: ArrayLike,
    *,
    days: ArrayLike,
    cards: ArrayLike,
    costs: CostMatrix,
    alert_budget_per_day: int,
    decline_precision: float = 0.95,
) -> Thresholds:
    """Choose the thresholds for review and for decline on validation rows.

    Review begins where the cost (missed frauds plus reviews) is lowest among the thresholds that
    alert on at most ``alert_budget_per_day`` cards a day on average; of equally cheap ones at the
    highest, which alerts least. Where no review pays for itself, it begins at 1. Where the rows of
    the highest score are too many for the budget already, it begins at that score: a model cannot
    tell them apart, and the analysts take as many as they can.

    Decline begins at the lowest threshold, not below review, above which at least
    ``decline_precision`` of the rows are frauds and at least :data:`MIN_DECLINED` rows lie; where
    there is none, nothing is declined by score alone (the threshold is 1). The costs have no say in
    it: to decline costs at least as much as to review and saves no more.

    Args:
        labels: ``[N]``, true or 1 is fraud.
        scores: ``[N]`` probabilities.
        amounts: ``[N]`` in major units of the currency.
        days: ``[N]`` integers that name the day of each row.
        cards: ``[N]`` identifiers of the cards.
        costs: what mistakes cost.
        alert_budget_per_day: cards that can be looked at in a day.
        decline_precision: share of frauds among what is declined.

    Raises:
        InvalidFrame: the arrays do not fit together.
        InvalidSetting: ``decline_precision`` or the budget is out of range.
    """
    if not 0 < decline_precision <= 1:
        raise InvalidSetting("decline_precision", f"must lie in 0 to 1, got {decline_precision}")
    if alert_budget_per_day < 1:
        raise InvalidSetting(
            "alert_budget_per_day", f"must be 1 or more, got {alert_budget_per_day}"
        )
    y, s = labels_and_scores(labels, scores)
    amount = column("amounts", amounts, len(y)).astype(np.float64)
    day = column("days", days, len(y))
    _, card = np.unique(column("cards", cards, len(y)), return_inverse=True)
    order = np.argsort(-s, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(s[order]) != 0, True))
    flagged = ends + 1
    caught = np.cumsum(y[order])[ends]
    alerts = _alerted_cards(day[order], card[order])[ends] / len(np.unique(day))
    saved = np.cumsum(np.where(y[order], amount[order], 0.0))[ends] * costs.missed_fraud_share
    cost = costs.review * flagged - saved
    affordable = alerts <= alert_budget_per_day
    # Of equal costs argmin takes the first, which is the highest threshold.
    review = int(np.argmin(np.where(affordable, cost, np.inf))) if affordable.any() else 0
    if affordable.any() and cost[review] > 0:
        return Thresholds(review=1.0, decline=1.0)
    enough = (flagged >= MIN_DECLINED) & (caught >= decline_precision * flagged)
    enough[review + 1 :] = False
    decline = np.flatnonzero(enough)
    ranked = s[order][ends]
    return Thresholds(
        review=float(ranked[review]), decline=float(ranked[decline[-1]]) if len(decline) else 1.0
    )


def _alerted_cards(day: NDArray[np.generic], card: NDArray[np.intp]) -> NDArray[np.int64]:
    """Distinct (day, card) pairs among the first rows, for each number of first rows."""
    _, number = np.unique(day, return_inverse=True)
    pair = number.astype(np.int64) * (int(card.max()) + 1) + card
    _, first = np.unique(pair, return_index=True)
    new = np.zeros(len(day), dtype=np.int64)
    new[first] = 1
    return np.cumsum(new)
