"""The stream's writer: events in, state out, acknowledged last.

There is one writer for each user's partition. Whatever moment it is killed at, the events that it
had not acknowledged are delivered again, and the positions in the state tell which of them are
already in.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.contracts.transactions import MAX_AHEAD, Transaction
from cardfraud.features.user_stream import Event, Outcome, UserStream, apply, fingerprint

_AHEAD_US: Final = MAX_AHEAD // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A transaction as a partition of the stream delivers it.

    Attributes:
        partition: number of the partition; all events of a user come from one.
        offset: position in the partition, rising.
        transaction: the event.
    """

    partition: int
    offset: int
    transaction: Transaction


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a micro-batch.

    Attributes:
        outcomes: events by outcome; they add up to the batch.
        users: users whose state was written.
    """

    outcomes: dict[Outcome, int]
    users: int


def _now_us() -> int:
    return time.time_ns() // 1_000


class StreamWriter:
    """Applies micro-batches of events to the streamed state of their users."""

    def __init__(
        self,
        feature_store: FeatureStore,
        clock: Callable[[], int] = _now_us,
        *,
        mode: Literal["live", "replay"] = "live",
    ) -> None:
        """Keep the store, the clock and the mode.

        Args:
            feature_store: takes the state.
            clock: microseconds since 1970; versions follow it but never fall or stand still.
            mode: live sets aside events more than 5 minutes ahead of the clock, replay takes any
                time.
        """
        self._store = feature_store
        self._clock = clock
        self._mode = mode

    def write(
        self, batch: Sequence[Delivery], acknowledge: Callable[[], None] | None = None
    ) -> Written:
        """Apply a micro-batch, push the state, then acknowledge.

        Args:
            batch: events in order of delivery.
            acknowledge: tells the stream that it need not deliver these again; it is called once,
                after the state is in the store.

        Raises:
            Unavailable: the store does not answer; nothing is acknowledged.
            IntegrityError: stored state cannot be read; nothing is acknowledged.
        """
        latest_us = self._clock() + _AHEAD_US if self._mode == "live" else None
        users = list(dict.fromkeys(item.transaction.user_id for item in batch))
        before = self._store.read_stream_states(users)
        after = dict(before)
        outcomes: Counter[Outcome] = Counter()
        for item in batch:
            user = item.transaction.user_id
            state = after.get(user, UserStream())
            after[user], outcome = apply(state, _event(item), latest_us=latest_us)
            outcomes[outcome] += 1
        changed = {
            user: self._versioned(state)
            for user, state in after.items()
            if state != before.get(user)
        }
        self._store.push_stream_states(changed)
        if acknowledge is not None:
            acknowledge()
        return Written({outcome: outcomes[outcome] for outcome in Outcome}, len(changed))

    def _versioned(self, state: UserStream) -> UserStream:
        return replace(state, version_us=max(state.version_us + 1, self._clock()))


def _event(item: Delivery) -> Event:
    return Event(
        source=item.partition,
        offset=item.offset,
        time_us=item.transaction.event_time_us,
        amount=item.transaction.amount_minor,
        fingerprint=fingerprint(item.transaction.transaction_id),
    )
