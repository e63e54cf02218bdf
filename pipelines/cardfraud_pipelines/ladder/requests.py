"""Requests of held-out days and the online state that each of them would find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from decimal import Decimal
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cardfraud.adapters.feature_store.online import OnlineRow
from cardfraud.contracts.transactions import MINOR_UNITS, Transaction, to_microseconds
from cardfraud.features.labels import latest_labels
from cardfraud.features.merchant_state import MerchantState
from cardfraud.features.snapshot import fraud_ratios, merchant_snapshot, user_snapshot
from cardfraud.features.tiles import hour_of
from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import (
    RETAINED_DAYS,
    Event,
    StreamView,
    UserStream,
    apply,
    fingerprint,
)

_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Asked:
    """The N requests of one UTC day.

    Attributes:
        day: UTC day since 1970.
        transactions: in order of (event_time, transaction_id).
        states: what the online store held when each was asked.
        fraud: [N] what became known later.
    """

    day: int
    transactions: Sequence[Transaction]
    states: Sequence[OnlineRow]
    fraud: NDArray[np.bool_]


def asked_by_day(
    transactions: pl.DataFrame, labels: pl.DataFrame, days: Sequence[date]
) -> Iterator[Asked]:
    """Replay some days as the online side lives them: by day, by hour and by event.

    Users have a snapshot of each midnight, merchants one of each hour.

    The stream has seen the days before the first one as far back as it keeps them.

    Args:
        transactions: the canonical columns; the days asked for and at least 90 days before them.
        labels: all revisions of their labels; each snapshot sees what was reported before it.
        days: in rising order, without gaps.
    """
    first, last = _number(days[0]), _number(days[-1])
    rows = (
        transactions.with_columns(day=pl.col("event_time").dt.epoch("d"))
        .filter(pl.col("day").is_between(first - RETAINED_DAYS - 1, last))
        .sort("event_time", "transaction_id")
        .join(latest_labels(labels), on="transaction_id", how="left", maintain_order="left")
        .with_columns(pl.col("is_fraud").fill_null(value=False))
    )
    stream, merchants = _Stream(), _Merchants(transactions, labels)
    for (day,), part in rows.group_by("day", maintain_order=True):
        number = int(str(day))
        if number < first:
            for row in part.iter_rows(named=True):
                stream.add(row)
        else:
            histories = dict(user_snapshot(transactions, number).iter_rows())
            yield _one_day(number, part, stream, histories, merchants)


class _Merchants:
    """The state of every merchant as of the hour that was asked for last."""

    def __init__(self, transactions: pl.DataFrame, labels: pl.DataFrame) -> None:
        self._transactions = transactions
        self._labels = labels
        self._ratios = fraud_ratios(transactions, labels)
        self._hour: int | None = None
        self._states: dict[str, bytes] = {}

    def of(self, merchant: str, hour: int) -> MerchantState | None:
        """What the store would answer in an hour; hours rise."""
        if hour != self._hour:
            snapshot = merchant_snapshot(
                self._transactions, self._labels, hour, ratios=self._ratios
            )
            self._hour, self._states = hour, dict(snapshot.iter_rows())
        state = self._states.get(merchant)
        return None if state is None else MerchantState.decode(state)


class _Stream:
    """The streamed state of every user, and the numbers of the events."""

    def __init__(self) -> None:
        self._states: dict[str, UserStream] = {}
        self._events = 0

    def of(self, user: str) -> StreamView | None:
        """What the store would answer."""
        state = self._states.get(user)
        return None if state is None else StreamView.decode(state.encode())

    def add(self, row: dict[str, Any]) -> None:
        """Apply a transaction."""
        moment = to_microseconds(row["event_time"])
        mark = fingerprint(row["transaction_id"])
        event = Event(0, self._events, moment, row["amount_minor"], mark)
        state = self._states.get(row["user_id"], UserStream())
        self._states[row["user_id"]], _ = apply(state, event)
        self._events += 1


def _one_day(
    day: int,
    rows: pl.DataFrame,
    stream: _Stream,
    histories: Mapping[str, bytes],
    merchants: _Merchants,
) -> Asked:
    asked: list[Transaction] = []
    states: list[OnlineRow] = []
    for row in rows.iter_rows(named=True):
        history = histories.get(row["user_id"])
        hour = hour_of(to_microseconds(row["event_time"]))
        asked.append(_transaction(row))
        states.append(
            OnlineRow(
                None if history is None else UserHistory.decode(history),
                stream.of(row["user_id"]),
                merchants.of(row["merchant_id"], hour),
            )
        )
        stream.add(row)
    return Asked(day, asked, states, rows["is_fraud"].to_numpy())


def _transaction(row: dict[str, Any]) -> Transaction:
    # The rows have been checked already, and checking each again takes longer than scoring it.
    return Transaction.model_construct(
        transaction_id=row["transaction_id"],
        event_time=row["event_time"].astimezone(UTC),
        user_id=row["user_id"],
        merchant_id=row["merchant_id"],
        amount=Decimal(row["amount_minor"]) / MINOR_UNITS,
    )


def _number(day: date) -> int:
    return (day - _EPOCH).days
