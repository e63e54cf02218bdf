"""Unbroken runs of known frauds at merchants over whole tables.

Transactions stand in order of (merchant, UTC hour). Going back from a request's newest known hour,
the first transaction not known as fraud in the request's hour ends the search; what stands after
that transaction's whole day is the streak, so its length is a difference of two positions. At most
merchants the first step is the last, and the few others share each further step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardfraud.features.tiles import HOURS_A_DAY
from cardfraud.features.values import FraudStreak, Int


@dataclass(frozen=True, slots=True)
class FraudTimes:
    """When which transactions are known as fraud, sorted for searches.

    Attributes:
        span: hours of one transaction's numbers; a number is ``position * span + hour``.
        begun: [M] numbers from which on a transaction is known as fraud, rising.
        ended: [M] numbers from which on it is known no longer, rising.
        ever: [E] whether a transaction is ever known as fraud.
        ratios: [E + 1] running sums of their amounts in hundredths of the users' means.
    """

    span: int
    begun: Int
    ended: Int
    ever: NDArray[np.bool_]
    ratios: Int

    @staticmethod
    def of(
        *, events: int, position: Int, since: Int, until: Int, ratio: Int, span: int
    ) -> FraudTimes:
        """Sort M times of knowledge.

        Args:
            events: number of transactions.
            position: [M] the transaction's place among them.
            since: [M] first hour, counted from the table's, in which it is known as fraud.
            until: [M] first hour in which it is known no longer.
            ratio: [M] hundredths of the user's mean.
            span: above every hour that is asked for.
        """
        base = position * span
        hundredths = np.zeros(events + 1, dtype=np.int64)
        hundredths[position + 1] = ratio  # of one transaction all are equal
        ever = np.zeros(events, dtype=np.bool_)
        ever[position] = True
        return FraudTimes(
            span=span,
            begun=np.sort(base + np.clip(since, 0, span - 1)),
            ended=np.sort(base + np.clip(until, 0, span - 1)),
            ever=ever,
            ratios=np.cumsum(hundredths),
        )

    def known(self, position: Int, hour: Int) -> NDArray[np.bool_]:
        """Whether each transaction is known as fraud in each hour, [K]."""
        result = self.ever[position]
        asked = np.flatnonzero(result)
        number = position[asked] * self.span + hour[asked]
        # The times of the transactions before this one are in both numbers, so they cancel.
        begun = np.searchsorted(self.begun, number, "right")
        result[asked] = begun > np.searchsorted(self.ended, number, "right")
        return result


def fraud_streaks(
    events: Int, edge: Int, window: tuple[Int, Int], times: FraudTimes
) -> FraudStreak:
    """Streaks of N requests, [N] each.

    Args:
        events: [E] transactions as rising numbers ``merchant * span + hour``, the hour counted from
            a midnight and the span in whole days.
        edge: [N] the requests' merchants and hours as such numbers.
        window: [N] first positions in ``events`` of each request's window and after it.
        times: when which transactions are known as fraud, by position in ``events``.
    """
    oldest, newest = window
    last = newest - 1
    walking = np.flatnonzero(newest > oldest)
    while len(walking):
        position = last[walking]
        walking = walking[times.known(position, edge[walking] % times.span)]
        last[walking] -= 1
        walking = walking[last[walking] >= oldest[walking]]
    broken = np.flatnonzero(last >= oldest)
    start = last + 1
    passed = broken[start[broken] < newest[broken]]
    # The frauds that share a day with the transaction that ends the search are not in the streak.
    days, today = events // HOURS_A_DAY, edge // HOURS_A_DAY
    next_day = np.searchsorted(days, days[last[passed]], "right")
    start[passed] = np.minimum(next_day, newest[passed])
    nonfraud_age, age = np.zeros_like(edge), np.zeros_like(edge)
    nonfraud_age[broken] = today[broken] - days[last[broken]]
    running = np.flatnonzero(start < newest)
    age[running] = today[running] - days[start[running]]
    return FraudStreak(
        nonfraud_age=nonfraud_age,
        frauds=newest - start,
        age=age,
        ratios=times.ratios[newest] - times.ratios[start],
    )
