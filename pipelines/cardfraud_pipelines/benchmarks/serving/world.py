"""Users, merchants and a forest that knows them: what the servers are asked about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from cardfraud.adapters.feature_store import OnlineRow
from cardfraud.contracts.policy import Policy, Rule, Thresholds
from cardfraud.contracts.transactions import Transaction
from cardfraud.features import values
from cardfraud.features.batch import all_values
from cardfraud.features.merchant_state import MerchantState
from cardfraud.features.snapshot import merchant_snapshot, user_snapshot
from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import Event, StreamView, UserStream, apply, fingerprint
from cardfraud.features.values import DAY_US, HOUR_US
from cardfraud.scoring.assembly import assemble
from cardfraud_pipelines.benchmarks.inputs import labels_of, made_transactions
from cardfraud_pipelines.benchmarks.serving.forest import COLUMNS, Forest, fit_forest, select
from cardfraud_pipelines.benchmarks.serving.samples import Sample, Samples

USERS: Final = 1_000
"""Users with a history of their own; a larger store repeats them under other names."""
MERCHANTS: Final = 2_000
ROWS: Final = 350_000
"""Two payments a user and day, over half a year."""
TRAINING_ROWS: Final = 30_000
SAMPLES: Final = 4_000
MOST_SAMPLES: Final = 20_000
"""Drawn where the store holds as many users; seconds to make, and more than a turn can ask."""
SHARE_LARGE: Final = 0.05
"""Of the samples are of large amounts, so that giving reasons is part of what is measured."""
STREAMED_DAYS: Final = 2
"""Days before the watermark that the stream has seen too, as it has in a running system."""
LARGE: Final = 220.0
"""Amounts above it are fraud, as in the handbook's first scenario, and reviewed by a rule."""
_RULE: Final = "large_amount"
_REASON: Final = "more than people usually spend"
POLICY: Final = Policy(
    thresholds=Thresholds(review=0.3, decline=0.8),
    rules=(
        Rule.model_validate(
            {
                "name": _RULE,
                "field": "amount",
                "op": "gt",
                "value": LARGE,
                "decision": "review",
                "reason": _REASON,
            }
        ),
    ),
)
_NEAR: Final = 1e-4
"""Samples whose probability lies this close to a threshold have no certain decision."""


@dataclass(frozen=True, slots=True)
class World:
    """The state at noon of a day, and the forest that was trained before it.

    Attributes:
        histories: daily state by user.
        streams: streamed state by user.
        merchants: hourly state by merchant, as of noon.
        forest: the model.
        noon_us: the state holds everything before it, and nothing after.
        midnight_us: when the daily state was made.
        users: how many there are; a larger store repeats them, see :func:`user_name`.
    """

    histories: dict[str, bytes]
    streams: dict[str, bytes]
    merchants: dict[str, bytes]
    forest: Forest
    noon_us: int
    midnight_us: int
    users: int

    def samples(self, *, users: int | None = None, count: int = SAMPLES, seed: int = 1) -> Samples:
        """Return requests of the afternoon, and what the answers must be.

        Args:
            users: how many the store holds; as many as there are if absent.
            count: how many requests at most; some have no certain answer and are left out.
            seed: of their users, merchants, amounts and times.
        """
        random = np.random.default_rng(seed)
        numbers = random.integers(0, users or self.users, count)
        merchants = random.choice(sorted(self.merchants), count)
        amounts = np.maximum(1, random.gamma(2.0, 3000.0, count)).astype(int)
        moments = self.noon_us + random.integers(1, DAY_US // 2, count)
        amounts[random.random(count) < SHARE_LARGE] += int(LARGE * 100)
        transactions = [
            _transaction(user_name(int(n)), str(m), int(a), int(t))
            for n, m, a, t in zip(numbers, merchants, amounts, moments, strict=True)
        ]
        rows = [
            self._row(user_name(int(n) % self.users), str(m))
            for n, m in zip(numbers, merchants, strict=True)
        ]
        vector = assemble(transactions, rows).vector
        chosen = zip(
            transactions, select(vector).tolist(), self.forest.probability(vector), strict=True
        )
        return Samples(
            columns=COLUMNS,
            samples=tuple(
                Sample(
                    transaction=one.model_dump(mode="json", exclude_none=True)
                    | {"amount": one.amount_minor / 100},
                    vector=tuple(row),
                    probability=probability,
                    decision=_decision(probability, one.amount_minor / 100),
                    reasons=_reasons(probability, one.amount_minor / 100),
                    contributes=probability >= POLICY.thresholds.review,
                )
                for one, row, probability in chosen
                if min(
                    abs(probability - POLICY.thresholds.review),
                    abs(probability - POLICY.thresholds.decline),
                )
                > _NEAR
            ),
        )

    def _row(self, user: str, merchant: str) -> OnlineRow:
        history, stream = self.histories.get(user), self.streams.get(user)
        return OnlineRow(
            None if history is None else UserHistory.decode(history),
            None if stream is None else StreamView.decode(stream),
            MerchantState.decode(self.merchants[merchant]),
        )


def user_name(number: int) -> str:
    """Name of a user; numbers that differ by a multiple of ``World.users`` have the same state."""
    return f"u{number}"


def make_world(
    rows: int = ROWS,
    *,
    users: int = USERS,
    merchants: int = MERCHANTS,
    training_rows: int = TRAINING_ROWS,
) -> World:
    """Make transactions, train the forest on the older ones, and keep the state of the rest.

    Args:
        rows: transactions in half a year.
        users: who pays.
        merchants: who is paid.
        training_rows: the latest transactions whose labels are known, for the forest.
    """
    table = made_transactions(rows, users=users, merchants=merchants)
    # Something to learn: three in four of the large amounts, by the number of the transaction.
    large = (pl.col("amount_minor") > LARGE * 100) & (pl.int_range(pl.len()) % 4 > 0)
    table = table.with_columns(is_fraud=pl.col("is_fraud") | large)
    labels = labels_of(table)
    time_us = table["event_time"].dt.epoch("us")
    midnight_us = int(time_us[-1]) // DAY_US * DAY_US
    noon_us = midnight_us + DAY_US // 2
    table = table.filter(time_us < noon_us)
    known = len(table.filter(pl.col("event_time").dt.epoch("us") < midnight_us - 7 * DAY_US))
    chosen = slice(max(0, known - training_rows), known)
    vector = values.vector(all_values(table, labels))[chosen]
    watermark = midnight_us // DAY_US
    return World(
        histories=dict(user_snapshot(table, watermark).iter_rows()),
        streams=_streams(table, (watermark - STREAMED_DAYS) * DAY_US, noon_us),
        merchants=dict(merchant_snapshot(table, labels, noon_us // HOUR_US).iter_rows()),
        forest=fit_forest(vector, table["is_fraud"].to_numpy()[chosen]),
        noon_us=noon_us,
        midnight_us=midnight_us,
        users=users,
    )


def _streams(table: pl.DataFrame, since_us: int, until_us: int) -> dict[str, bytes]:
    """Apply the events of the last days to every user's stream."""
    states: dict[str, UserStream] = {}
    events = table.with_columns(time_us=pl.col("event_time").dt.epoch("us")).filter(
        pl.col("time_us") >= since_us
    )
    columns = events.select("user_id", "transaction_id", "time_us", "amount_minor")
    for offset, (user, transaction_id, time_us, amount) in enumerate(columns.iter_rows()):
        event = Event(0, offset, time_us, amount, fingerprint(transaction_id))
        states[user], _ = apply(states.get(user, UserStream()), event)
    return {user: replace(state, version_us=until_us).encode() for user, state in states.items()}


def _transaction(user: str, merchant: str, amount: int, time_us: int) -> Transaction:
    moment = np.datetime64(time_us, "us").item().isoformat()
    return Transaction.model_validate(
        {
            "transaction_id": "t",
            "event_time": f"{moment}Z",
            "user_id": user,
            "merchant_id": merchant,
            "amount": f"{amount // 100}.{amount % 100:02d}",
        }
    )


def _decision(probability: float, amount: float) -> str:
    if probability >= POLICY.thresholds.decline:
        return "decline"
    return "review" if probability >= POLICY.thresholds.review or amount > LARGE else "approve"


def _reasons(probability: float, amount: float) -> tuple[str, ...]:
    """Return what the policy says, in its own words; written out here to be compared with it."""
    said: list[str] = []
    if probability >= POLICY.thresholds.review:
        declined = probability >= POLICY.thresholds.decline
        reached = POLICY.thresholds.decline if declined else POLICY.thresholds.review
        said.append(f"probability at or above {reached}")
    if amount > LARGE:
        said.append(f"{_RULE}: {_REASON}")
    return tuple(said)
