"""What a client may ask for: transactions as v1 instances or as columns of v2 and gRPC."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final, Literal

from kserve import InferRequest

from cardfraud.contracts.scoring import InvalidInstances, check_instances, parse_instances
from cardfraud.contracts.transactions import MAX_AHEAD, Transaction
from cardfraud.errors import InvalidField, InvalidFrame
from cardfraud_inference.transport.tensors import check_names, numbers, texts

REQUIRED: Final = ("transaction_id", "event_time", "user_id", "merchant_id", "amount")
OPTIONAL: Final = ("currency", "segment")
OUTPUTS: Final = ("probability", "decision", "detail")

BEHIND_S: Final = 24 * 3_600
"""An event this far behind a live server's clock is answered, but marked degraded."""

Clock = Literal["live", "replay"]


def read_transactions(payload: Any) -> list[Transaction]:
    """Check a request and return its transactions.

    Raises:
        InvalidInput: anything is wrong; nothing is returned then.
    """
    if not isinstance(payload, InferRequest):
        return parse_instances(payload)
    check_names(payload, REQUIRED + OPTIONAL, OUTPUTS)
    given = {one.name for one in payload.inputs}
    columns: dict[str, Sequence[Any]] = {
        name: texts(payload, name)
        for name in REQUIRED + OPTIONAL
        if name != "amount" and (name in given or name in REQUIRED)
    }
    columns["amount"] = numbers(payload, "amount", "FP64", 1).tolist()
    rows = len(columns["transaction_id"])
    for name, column in columns.items():
        if len(column) != rows:
            raise InvalidFrame(name, f"has {len(column)} rows, transaction_id has {rows}")
    names = list(columns)
    return check_instances(
        [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    )


def check_deployment(transactions: Sequence[Transaction], currency: str, clock: Clock) -> None:
    """Refuse what is right in itself but not for this deployment.

    Raises:
        InvalidInstances: another currency, or an event that has not happened yet.
    """
    latest_us = (time.time() + MAX_AHEAD.total_seconds()) * 1_000_000 if clock == "live" else None
    faults: list[InvalidField] = []
    for index, transaction in enumerate(transactions):
        if transaction.currency not in {None, currency}:
            reason = f"must be {currency}, the one currency here"
            faults.append(InvalidField("currency", reason, index=index))
        if latest_us is not None and transaction.event_time_us > latest_us:
            reason = "lies more than 5 minutes ahead of the server's clock"
            faults.append(InvalidField("event_time", reason, index=index))
    if faults:
        raise InvalidInstances(faults)


def happened_long_ago(transaction: Transaction, clock: Clock) -> bool:
    """Whether the event lies so far behind a live clock that the features may be past it."""
    return clock == "live" and transaction.event_time_us < (time.time() - BEHIND_S) * 1_000_000
