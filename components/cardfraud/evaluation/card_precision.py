"""Card Precision@k: how many of the k most suspicious cards of a day are compromised.

The protocol is that of Le Borgne, Siblini, Lebichot and Bontempi, "Reproducible Machine Learning
for Credit Card Fraud Detection - Practical Handbook", chapter 4, section "Precision top-k metrics".
An investigator can look at k cards a day. A card that was caught is blocked, so it is taken out of
the days that follow. On most days fewer than k cards are compromised, so even a perfect scorer
stays far below 1: that ceiling belongs beside every figure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.inputs import column, labels_and_scores
from cardfraud.evaluation.resampling import Floats, Groups
from cardfraud.evaluation.result import Result


class CardPrecision(Result):
    """Card Precision@k over some days, beside what a perfect scorer gets.

    ``compromised`` counts, for each day, the compromised cards that this scorer had not caught
    before. ``ceiling`` is the same mean for a scorer that ranks every compromised card first.
    """

    k: int
    days: tuple[int, ...]
    daily: tuple[float, ...]
    daily_ceiling: tuple[float, ...]
    compromised: tuple[int, ...]
    mean: float
    ceiling: float
    share_of_ceiling: float | None


@dataclass(frozen=True, slots=True)
class _Day:
    cards: NDArray[np.int64]
    score: NDArray[np.float64]
    fraud: NDArray[np.bool_]


def card_precision(
    days: ArrayLike, cards: ArrayLike, labels: ArrayLike, scores: ArrayLike, *, k: int = 100
) -> CardPrecision:
    """Measure Card Precision@k, day by day in rising order.

    A card's score on a day is the highest of its transactions; it is compromised on that day when
    any of them is a fraud. Equal scores are taken in the order of the cards' identifiers.

    Args:
        days: ``[N]`` integers that name the day of each transaction.
        cards: ``[N]`` identifiers of the cards, of any type that sorts.
        labels: ``[N]``, true or 1 is fraud.
        scores: ``[N]``, a higher score is a stronger suspicion.
        k: cards that can be looked at on one day.

    Raises:
        InvalidFrame: the arrays do not fit together.
        InvalidSetting: ``k`` is below 1.
    """
    if k < 1:
        raise InvalidSetting("k", f"must be at least 1, got {k}")
    y, s = labels_and_scores(labels, scores)
    day = column("days", days, len(y)).astype(np.int64)
    _, card = np.unique(column("cards", cards, len(y)), return_inverse=True)
    names = np.unique(day)
    actual, compromised = _daily([_per_card(day == d, card, y, s) for d in names], k)
    perfect, _ = _daily([_per_card(day == d, card, y, y.astype(np.float64)) for d in names], k)
    mean, ceiling = float(np.mean(actual)), float(np.mean(perfect))
    return CardPrecision(
        k=k,
        days=tuple(int(d) for d in names),
        daily=tuple(actual),
        daily_ceiling=tuple(perfect),
        compromised=tuple(compromised),
        mean=mean,
        ceiling=ceiling,
        share_of_ceiling=mean / ceiling if ceiling else None,
    )


class ResampledCardPrecision:
    """Card Precision@k as a measure of the bootstrap, with its share of the ceiling.

    The groups are the cards. A card that was drawn m times stands as m cards that score alike, and
    each of them is caught by itself.
    """

    def __init__(
        self,
        days: NDArray[np.int64],
        labels: NDArray[np.bool_],
        scores: NDArray[np.float32],
        cards: Groups,
        *,
        k: int,
    ) -> None:
        """Rank the cards of each day once, by the scores and as a perfect scorer would."""
        each = [days == day for day in np.unique(days)]
        perfect = labels.astype(np.float64)
        self._k = k
        self._actual = [_per_card(day, cards.index, labels, scores) for day in each]
        self._perfect = [_per_card(day, cards.index, labels, perfect) for day in each]

    def __call__(self, times: Floats) -> Mapping[str, Floats]:
        """Return the figures of each resample."""
        actual = _resampled(self._actual, times, self._k)
        ceiling = _resampled(self._perfect, times, self._k)
        share = np.divide(actual, ceiling, out=np.full_like(actual, np.nan), where=ceiling > 0)
        return {"card_precision": actual, "card_precision_share": share}


def _resampled(table: list[_Day], times: Floats, k: int) -> Floats:
    """Mean precision of each resample, ``[B]``."""
    left = times.copy()
    hits = np.zeros(times.shape[1])
    for day in table:
        order = np.argsort(-day.score, kind="stable")
        cards, fraud = day.cards[order], day.fraud[order]
        depth = 2 * k
        while True:  # as deep as it takes until every resample has k cards
            head = left[cards[:depth]]
            reached = np.cumsum(head, axis=0)
            if depth >= len(cards) or reached[-1].min() >= k:
                break
            depth *= 2
        looked_at = np.clip(k - (reached - head), 0, head)
        caught = looked_at * fraud[:depth, None]
        hits += caught.sum(axis=0)
        left[cards[:depth]] = head - caught
    return hits / (k * len(table))


def _per_card(
    rows: NDArray[np.bool_],
    card: NDArray[np.int64],
    labels: NDArray[np.bool_],
    scores: NDArray[np.floating[Any]],
) -> _Day:
    cards, place = np.unique(card[rows], return_inverse=True)
    score = np.full(len(cards), -np.inf)
    np.maximum.at(score, place, scores[rows])
    fraud = np.zeros(len(cards), dtype=np.bool_)
    np.logical_or.at(fraud, place, labels[rows])
    return _Day(cards, score, fraud)


def _daily(table: list[_Day], k: int) -> tuple[list[float], list[int]]:
    caught: set[int] = set()
    precision: list[float] = []
    compromised: list[int] = []
    for day in table:
        left = ~np.isin(day.cards, np.fromiter(caught, dtype=np.int64, count=len(caught)))
        cards, score, fraud = day.cards[left], day.score[left], day.fraud[left]
        first = np.argsort(-score, kind="stable")[:k]
        hits = cards[first][fraud[first]]
        caught.update(hits.tolist())
        precision.append(len(hits) / k)
        compromised.append(int(fraud.sum()))
    return precision, compromised
