"""Costs of online state: one event, one request, one day's snapshot, and the bytes.

Times are processor time of this process, which is what a share of a core pays for; they hold
still when the machine is busy with other things.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import numpy as np
import polars as pl

from cardfraud.features import online, values
from cardfraud.features.merchant_state import MerchantState
from cardfraud.features.snapshot import merchant_snapshot, user_snapshot
from cardfraud.features.tiles import HOURS_A_DAY
from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import Event, StreamView, UserStream, apply, fingerprint
from cardfraud.features.values import DAY_US, MerchantAggregates, UserAggregates
from cardfraud_pipelines.benchmarks.inputs import labels_of
from cardfraud_pipelines.benchmarks.result import StateCost

REPLAYED_DAYS: Final = 3
REQUESTS: Final = 2_000

T = TypeVar("T")
State = tuple[bytes | None, bytes | None, bytes | None]


def state_cost(transactions: pl.DataFrame) -> StateCost:
    """Take a snapshot three days before the end, replay these days, then ask as on the last.

    Args:
        transactions: sorted by time, with ``is_fraud``.
    """
    epoch = transactions["event_time"].dt.epoch("us")
    watermark = int(epoch[-1]) // DAY_US + 1 - REPLAYED_DAYS
    begun = time.process_time()
    history: dict[str, bytes] = dict(user_snapshot(transactions, watermark).iter_rows())
    snapshot_seconds = time.process_time() - begun
    merchants: dict[str, bytes] = dict(
        merchant_snapshot(
            transactions, labels_of(transactions), watermark * HOURS_A_DAY
        ).iter_rows()
    )
    replayed = transactions.with_columns(time_us=epoch).filter(
        pl.col("time_us") >= watermark * DAY_US
    )
    stream, event_us = _replay(replayed)
    requests = replayed.tail(REQUESTS)
    states: list[State] = [
        (history.get(user), stream.get(user), merchants.get(merchant))
        for user, merchant in requests.select("user_id", "merchant_id").iter_rows()
    ]
    decode_us, aggregate_us, vector_us = _answer(requests, states)
    whole = [len(blob) + len(stream.get(user, b"")) for user, blob in history.items()]
    return StateCost(
        users=len(history),
        events=len(replayed),
        event_us=event_us,
        decode_us=decode_us,
        aggregate_us=aggregate_us,
        vector_us=vector_us,
        snapshot_seconds=snapshot_seconds,
        history_bytes=_sizes(history.values()),
        stream_bytes=_sizes(stream.values()),
        largest_user_bytes=max(whole),
    )


def _replay(rows: pl.DataFrame) -> tuple[dict[str, bytes], float]:
    """Apply every row as an event; return the blobs by user and microseconds for each event."""
    stream: dict[str, bytes] = {}
    events = list(rows.select("user_id", "transaction_id", "time_us", "amount_minor").iter_rows())
    begun = time.process_time()
    for offset, (user, transaction_id, time_us, amount) in enumerate(events):
        blob = stream.get(user)
        state = UserStream.decode(blob) if blob is not None else UserStream()
        event = Event(0, offset, time_us, amount, fingerprint(transaction_id))
        stream[user] = apply(state, event)[0].encode()
    return stream, (time.process_time() - begun) / max(len(events), 1) * 1e6


def _answer(requests: pl.DataFrame, states: list[State]) -> tuple[float, float, float]:
    """Microseconds of one request for decoding, for aggregates, and from these to the vector."""
    times: list[int] = requests["time_us"].to_list()
    amounts = requests["amount_minor"].to_numpy()
    decoded, decode_us = _each(range(len(states)), lambda n: _decode(states[n]))
    aggregates, aggregate_us = _each(
        range(len(states)),
        lambda n: (
            online.user_aggregates([decoded[n][0]], [times[n]]),
            online.merchant_aggregates([decoded[n][1]], [times[n]]),
        ),
    )
    _, vector_us = _each(
        range(len(states)), lambda n: _vector(*aggregates[n], times[n], int(amounts[n]))
    )
    return decode_us, aggregate_us, vector_us


def _each(numbers: range, work: Callable[[int], T]) -> tuple[list[T], float]:
    begun = time.process_time()
    results = [work(number) for number in numbers]
    return results, (time.process_time() - begun) / len(numbers) * 1e6


def _decode(state: State) -> tuple[online.UserState, MerchantState | None]:
    history, stream, merchant = state
    user = online.UserState(
        UserHistory.decode(history) if history is not None else None,
        StreamView.decode(stream) if stream is not None else None,
    )
    return user, MerchantState.decode(merchant) if merchant is not None else None


def _vector(
    users: UserAggregates, merchants: MerchantAggregates, time_us: int, amount: int
) -> np.ndarray:
    moment, amounts = np.array([time_us]), np.array([amount])
    stored = values.user_values(users, moment) | values.merchant_values(merchants)
    return values.vector(stored | values.on_demand_values(stored, moment, amounts))


def _sizes(blobs: Iterable[bytes]) -> tuple[int, int, int]:
    lengths = np.array([len(blob) for blob in blobs])
    middle, high = np.percentile(lengths, [50, 99], method="higher")
    return int(middle), int(high), int(lengths.max())
