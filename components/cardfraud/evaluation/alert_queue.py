"""The analysts' queue of each day, as a ranking of cards."""

import numpy as np
from numpy.typing import ArrayLike

from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.inputs import column, labels_and_scores
from cardfraud.evaluation.ranking import RankingMetrics, ranking_metrics
from cardfraud.evaluation.result import Result


class QueueOfDay(Result):
    """The queue of one day; the figures are None where no card was compromised."""

    day: int
    cards: int
    compromised: int
    precision_at_k: float | None
    ndcg: float | None
    first_hit: int | None
    """Place of the first compromised card, from 1; ties in the order of the cards."""


class AlertQueue(Result):
    """How well the queue of a day ranks that day's compromised cards.

    Unlike Card Precision@k it leaves caught cards in, so each day stands for itself.
    """

    k: int
    overall: RankingMetrics
    days: tuple[QueueOfDay, ...]


def alert_queue(
    days: ArrayLike, cards: ArrayLike, labels: ArrayLike, scores: ArrayLike, *, k: int = 100
) -> AlertQueue:
    """Rank the cards of each day by their highest score.

    Args:
        days: ``[N]`` integers that name the day of each transaction.
        cards: ``[N]`` identifiers of the cards, of any type that sorts.
        labels: ``[N]``, true or 1 is fraud; a card is compromised on a day with any of them.
        scores: ``[N]``, a higher score is a stronger suspicion.
        k: places of the queue that are looked at.

    Raises:
        InvalidFrame: the arrays do not fit together.
        InvalidSetting: ``k`` is below 1.
    """
    if k < 1:
        raise InvalidSetting("k", f"must be at least 1, got {k}")
    y, s = labels_and_scores(labels, scores)
    names, day = np.unique(column("days", days, len(y)).astype(np.int64), return_inverse=True)
    holders, card = np.unique(column("cards", cards, len(y)), return_inverse=True)
    pairs, place = np.unique(day.astype(np.int64) * len(holders) + card, return_inverse=True)
    score = np.full(len(pairs), -np.inf)
    np.maximum.at(score, place, s)
    compromised = np.bincount(place, weights=y, minlength=len(pairs)) > 0
    of_day = pairs // len(holders)
    daily = []
    for number, name in enumerate(names.tolist()):
        mine = of_day == number
        one = ranking_metrics(of_day[mine], compromised[mine], score[mine], k=k)
        reciprocal = one.mean_reciprocal_rank
        daily.append(
            QueueOfDay(
                day=name,
                cards=int(mine.sum()),
                compromised=int(compromised[mine].sum()),
                precision_at_k=one.precision_at_k,
                ndcg=one.ndcg,
                first_hit=None if reciprocal is None else round(1 / reciprocal),
            )
        )
    return AlertQueue(
        k=k, overall=ranking_metrics(of_day, compromised, score, k=k), days=tuple(daily)
    )
