"""From transactions and stored state to the model's input: one way for servers and batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.scoring import FeatureHealth
from cardfraud.contracts.transactions import Transaction
from cardfraud.errors import IntegrityError
from cardfraud.features import health, online, values
from cardfraud.features.arithmetic import ROW
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.features.health import StateHealth
from cardfraud.features.merchant_state import MerchantState
from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import StreamView
from cardfraud.features.values import Float

_FEW: Final = 4
"""Up to so many transactions are quicker one by one than in columns."""
_PLACES: Final = {name: place for place, name in enumerate(FEATURE_NAMES)}


class StateRow(Protocol):
    """State of one transaction's user and merchant, as stored; None where there is none."""

    @property
    def history(self) -> UserHistory | None:
        """The user's daily state."""

    @property
    def stream(self) -> StreamView | None:
        """The user's streamed state."""

    @property
    def merchant(self) -> MerchantState | None:
        """The merchant's daily state."""


@dataclass(frozen=True, slots=True)
class NoState:
    """What stands for a row that could not be read."""

    history: None = None
    stream: None = None
    merchant: None = None


@dataclass(frozen=True, slots=True)
class Assembly:
    """The features of N transactions.

    Attributes:
        table: [N, F] float64 in the order of ``FEATURE_NAMES``, NaN where there is no value.
        vector: [N, F] float32, the same with defaults filled in.
        health: of each transaction's features.
    """

    table: Float
    vector: NDArray[np.float32]
    health: tuple[FeatureHealth, ...]

    def row(self, index: int) -> dict[str, float]:
        """Values of one transaction by name; rules read these."""
        return dict(zip(FEATURE_NAMES, self.table[index].tolist(), strict=True))

    def column(self, name: str) -> Float:
        """Return one feature's values, [N] float64."""
        return self.table[:, _PLACES[name]]

    @property
    def values(self) -> dict[str, Float]:
        """Every feature's values by name, [N] float64 each."""
        return dict(zip(FEATURE_NAMES, self.table.T, strict=True))


def positions(names: Sequence[str]) -> NDArray[np.intp] | None:
    """Return where a model's inputs stand in an assembly's vector; None where both are the same.

    A model may read some of the features only, in an order of its own.

    Raises:
        IntegrityError: a name is no feature, or stands twice.
    """
    unknown = [name for name in names if name not in FEATURE_NAMES]
    if unknown or len(set(names)) != len(names):
        wrong = unknown[0] if unknown else "a name stands twice"
        raise IntegrityError("signature.json: inputs", "names of features, each once", wrong)
    if tuple(names) == FEATURE_NAMES:
        return None
    return np.array([FEATURE_NAMES.index(name) for name in names], dtype=np.intp)


def assemble(transactions: Sequence[Transaction], states: Sequence[StateRow]) -> Assembly:
    """Compute every feature of N transactions, each just before its own event time.

    Args:
        transactions: N transactions.
        states: their N rows of state; what is too old for a transaction is not used.
    """
    times = [transaction.event_time_us for transaction in transactions]
    amounts = [transaction.amount_minor for transaction in transactions]
    judged = [
        health.judge(state.history, state.stream, state.merchant, moment)
        for state, moment in zip(states, times, strict=True)
    ]
    fill = _by_row if len(times) <= _FEW else _by_column
    table = fill(judged, times, amounts)
    return Assembly(
        table=table,
        vector=values.vector_of(table),
        health=tuple(
            FeatureHealth(
                age_seconds=one.age_seconds,
                missing=one.missing,
                stale=one.stale,
                degraded=one.degraded,
                late=one.late,
            )
            for one in judged
        ),
    )


def _by_column(
    judged: Sequence[StateHealth], times: Sequence[int], amounts: Sequence[int]
) -> Float:
    time_us, amount = np.array(times, dtype=np.int64), np.array(amounts, dtype=np.int64)
    users = online.user_aggregates([one.user for one in judged], times)
    merchants = online.merchant_aggregates([one.merchant for one in judged], times)
    stored = values.user_values(users, time_us) | values.merchant_values(merchants)
    everything = stored | values.on_demand_values(stored, time_us, amount)
    return np.array([everything[name] for name in FEATURE_NAMES]).T


def _by_row(judged: Sequence[StateHealth], times: Sequence[int], amounts: Sequence[int]) -> Float:
    """Do the same with Python's numbers, half the processor time for the one row of a request."""
    rows: list[list[float]] = []
    for one, time_us, amount in zip(judged, times, amounts, strict=True):
        users = online.one_users_aggregates(one.user, time_us)
        merchants = online.one_merchants_aggregates(one.merchant, time_us)
        stored = values.user_values(users, time_us, ROW)
        everything = stored | values.merchant_values(merchants, ROW)
        everything |= values.on_demand_values(stored, time_us, amount, ROW)
        rows.append([everything[name] for name in FEATURE_NAMES])
    return np.array(rows, dtype=np.float64)


def assemble_without_state(transactions: Sequence[Transaction]) -> Assembly:
    """Compute what can be known without the feature store: degraded, nothing of it missing.

    Nothing is called missing, because nobody knows whether the store has it.
    """
    assembly = assemble(transactions, [NoState()] * len(transactions))
    broken = FeatureHealth(age_seconds=None, degraded=True)
    return Assembly(assembly.table, assembly.vector, (broken,) * len(transactions))
