"""Answers kept for a while, so that a transaction that is asked again gets the same one.

A payment system that got no answer in time asks again, and the second answer must not differ: the
event may have reached the stream in between, a policy may have changed, the store may be back. So
answers are kept, for so many transactions and so long; a question that comes while its first answer
is being made waits for that one. A transaction is the same when all of its fields are.

Each process keeps its own answers: replicas behind one address need a balancer that sends a
transaction to the replica that had it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from time import monotonic

from cardfraud.contracts.scoring import Prediction
from cardfraud.contracts.transactions import Transaction


@dataclass(slots=True)
class _Kept:
    answer: asyncio.Future[Prediction]
    until: float


@dataclass(frozen=True, slots=True)
class Claim:
    """What one request has to answer itself, and what others answer or have answered.

    Attributes:
        fresh: positions of the transactions that nobody has answered.
        given: for each transaction, its answer to come.
    """

    fresh: tuple[int, ...]
    given: tuple[asyncio.Future[Prediction], ...]


class RepeatedAnswers:
    """At most so many answers, each for so long; the oldest makes room."""

    def __init__(
        self, entries: int, seconds: float, *, clock: Callable[[], float] = monotonic
    ) -> None:
        """Take the bounds; with no entries nothing is kept."""
        self._entries = entries
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def __len__(self) -> int:
        """Answers that are kept, those in the making included."""
        return len(self._kept)

    def claim(self, transactions: Sequence[Transaction]) -> Claim:
        """Say which of N transactions are new; whoever claims them must settle or forget them."""
        now = self._clock()
        self._expire(now)
        loop = asyncio.get_running_loop()
        fresh: list[int] = []
        given: list[asyncio.Future[Prediction]] = []
        for position, transaction in enumerate(transactions):
            key = _identity(transaction)
            kept = self._kept.get(key)
            if kept is None:
                fresh.append(position)
                kept = _Kept(loop.create_future(), now + self._seconds)
                if self._entries:
                    self._kept[key] = kept
            given.append(kept.answer)
        while len(self._kept) > self._entries:
            self._kept.popitem(last=False)
        return Claim(tuple(fresh), tuple(given))

    def settle(self, claim: Claim, answers: Sequence[Prediction]) -> None:
        """Give the fresh transactions of a claim their answers."""
        for position, answer in zip(claim.fresh, answers, strict=True):
            future = claim.given[position]
            if not future.done():
                future.set_result(answer)

    def forget(self, fresh: Sequence[Transaction], claim: Claim, error: Exception) -> None:
        """Let go of what could not be answered; who waits for it gets the same error.

        Args:
            fresh: the transactions at ``claim.fresh``.
            claim: of the request that failed.
            error: what it failed with.
        """
        for transaction, position in zip(fresh, claim.fresh, strict=True):
            future = claim.given[position]
            kept = self._kept.get(_identity(transaction))
            if kept is not None and kept.answer is future:
                del self._kept[_identity(transaction)]
            if not future.done():
                future.set_exception(error)
                future.exception()  # so that nobody is told of an error that nobody waited for

    def _expire(self, now: float) -> None:
        while self._kept:
            key, oldest = next(iter(self._kept.items()))
            if oldest.until > now:
                return
            del self._kept[key]


def _identity(transaction: Transaction) -> Hashable:
    return (
        transaction.transaction_id,
        transaction.event_time,
        transaction.user_id,
        transaction.merchant_id,
        transaction.amount,
        transaction.currency,
        transaction.segment,
    )
