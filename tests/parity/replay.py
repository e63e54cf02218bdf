"""Serves a table as the online side would: snapshots by day and hour, a stream, a judge."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cardfraud.adapters.feature_store import OnlineRow
from cardfraud.features import values
from cardfraud.features.batch import request_columns
from cardfraud.features.health import StateHealth, judge
from cardfraud.features.merchant_state import MerchantState
from cardfraud.features.online import merchant_aggregates, user_aggregates
from cardfraud.features.snapshot import fraud_ratios, merchant_snapshot, user_snapshot
from cardfraud.features.tiles import day_of, hour_of
from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import Event, StreamView, UserStream, apply, fingerprint


@dataclass(frozen=True)
class Served:
    """What the online side computed.

    Attributes:
        vectors: [N, F] float32 in order of (event_time, transaction_id).
        states: what was stored of each request's user and merchant just before it.
        health: what was judged of each request's state.
        bytes_per_user: most bytes that both halves of a user's state took.
    """

    vectors: NDArray[np.float32]
    states: list[OnlineRow]
    health: list[StateHealth]
    bytes_per_user: int


def in_order(transactions: pl.DataFrame) -> pl.DataFrame:
    """Return the table in the order in which it happened."""
    return transactions.sort("event_time", "transaction_id")


def serve(
    transactions: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    first_day: int | None = None,
    history_lag_days: int = 0,
    deliveries: Sequence[int] = (1,),
) -> Served:
    """Answer each transaction from state, then let the stream apply it.

    Args:
        transactions: all transactions.
        labels: all label revisions.
        first_day: UTC day from which on transactions are served; all where it is not given.
        history_lag_days: whole days by which the users' snapshot is behind.
        deliveries: how often the stream delivers each event, repeated over the table.
    """
    served = in_order(transactions)
    if first_day is not None:
        served = served.filter(pl.col("event_time").dt.epoch("us") >= first_day * values.DAY_US)
    times, amounts = request_columns(served)
    histories: dict[str, bytes] = {}
    merchants: dict[str, bytes] = {}
    streams: dict[str, bytes] = {}
    today, now, vectors, states, health, most = None, None, [], [], [], 0
    ratios = fraud_ratios(transactions, labels)
    rows = zip(served.iter_rows(named=True), times.tolist(), amounts.tolist(), strict=True)
    for offset, (row, moment, amount) in enumerate(rows):
        if day_of(moment) != today:
            today = day_of(moment)
            histories = _by_entity(user_snapshot(transactions, today - history_lag_days))
        if hour_of(moment) != now:
            now = hour_of(moment)
            merchants = _by_entity(merchant_snapshot(transactions, labels, now, ratios=ratios))
        user, merchant = row["user_id"], row["merchant_id"]
        stored = OnlineRow(
            history=_decoded(UserHistory, histories.get(user)),
            stream=_decoded(StreamView, streams.get(user)),
            merchant=_decoded(MerchantState, merchants.get(merchant)),
        )
        judged = judge(stored.history, stored.stream, stored.merchant, moment)
        states.append(stored)
        health.append(judged)
        vectors.append(_vector(judged, moment, amount))
        state = UserStream.decode(streams[user]) if user in streams else UserStream()
        event = Event(0, offset, moment, amount, fingerprint(row["transaction_id"]))
        for _ in range(deliveries[offset % len(deliveries)]):
            state, _outcome = apply(state, event)
        streams[user] = replace(state, version_us=moment).encode()
        most = max(most, len(streams[user]) + len(histories.get(user, b"")))
    return Served(np.concatenate(vectors), states, health, most)


def _by_entity(snapshot: pl.DataFrame) -> dict[str, bytes]:
    return dict(snapshot.iter_rows())


def _decoded(kind: Any, blob: bytes | None) -> Any:
    return None if blob is None else kind.decode(blob)


def _vector(judged: StateHealth, moment: int, amount: int) -> NDArray[np.float32]:
    time_us, amount_minor = np.array([moment]), np.array([amount])
    found = values.user_values(user_aggregates([judged.user], [moment]), time_us)
    found |= values.merchant_values(merchant_aggregates([judged.merchant], [moment]))
    found |= values.on_demand_values(found, time_us, amount_minor)
    return values.vector(found)
