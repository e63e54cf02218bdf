"""Sends a day of transactions to the transformer as live traffic, in the order they happened.

A served score must know every earlier transaction of its user. So the day is cut into runs in which
no user and no merchant stands twice: a run is scored as one batch, its events are pushed to the
online store and acknowledged, and only then does the next run begin.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import polars as pl

from cardfraud.contracts.scoring import MAX_INSTANCES
from cardfraud.contracts.transactions import MINOR_UNITS
from cardfraud.errors import Unavailable

Row = dict[str, Any]
Push = Callable[[Sequence[Row]], None]
"""Applies the events of a run to the online store and returns once that is acknowledged."""

_PART: Final = "transformer"


@dataclass(frozen=True, slots=True)
class Served:
    """What came back.

    Attributes:
        predictions: one answer a transaction, as the server sent them, in the order of the day.
        latencies_ms: wall-clock milliseconds of each request.
        batch_sizes: instances in each request.
    """

    predictions: list[Row] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=list)

    def add(self, later: Served) -> None:
        """Append what came back later."""
        self.predictions.extend(later.predictions)
        self.latencies_ms.extend(later.latencies_ms)
        self.batch_sizes.extend(later.batch_sizes)


def conflict_free_runs(rows: Sequence[Row], *, limit: int = MAX_INSTANCES) -> Iterator[list[Row]]:
    """Cut rows, without reordering, into the longest runs in which no user or merchant repeats.

    Args:
        rows: need user_id and merchant_id.
        limit: most rows in a run.
    """
    run: list[Row] = []
    users: set[str] = set()
    merchants: set[str] = set()
    for row in rows:
        if len(run) == limit or row["user_id"] in users or row["merchant_id"] in merchants:
            yield run
            run, users, merchants = [], set(), set()
        run.append(row)
        users.add(row["user_id"])
        merchants.add(row["merchant_id"])
    if run:
        yield run


def in_order(transactions: pl.DataFrame) -> list[Row]:
    """Rows of a table in the order of (event_time, transaction_id)."""
    return transactions.sort("event_time", "transaction_id").to_dicts()


def instance(row: Row) -> Row:
    """A row as the scoring request carries it: time with an offset, amount in major units."""
    moment: datetime = row["event_time"].astimezone(UTC)
    return {
        "transaction_id": row["transaction_id"],
        "event_time": moment.isoformat(timespec="microseconds"),
        "user_id": row["user_id"],
        "merchant_id": row["merchant_id"],
        "amount": row["amount_minor"] / MINOR_UNITS,
    }


def replay(
    rows: Sequence[Row],
    *,
    url: str,
    push: Push,
    timeout_s: float = 30.0,
    progress: Callable[[int], None] = lambda _done: None,
) -> Served:
    """Score and push a day, run by run.

    Args:
        rows: in the order of (event_time, transaction_id).
        url: address of the model's predict call.
        push: called with each run's rows after they were scored.
        timeout_s: of one request, in seconds.
        progress: called with the number of rows of each finished run.

    Raises:
        Unavailable: the transformer does not answer, or not with 200.
    """
    served = Served()
    with httpx.Client(timeout=timeout_s, trust_env=False) as client:
        for run in conflict_free_runs(rows):
            begun = time.perf_counter()
            predictions = _ask(client, url, [instance(row) for row in run])
            served.latencies_ms.append((time.perf_counter() - begun) * 1e3)
            served.batch_sizes.append(len(run))
            served.predictions.extend(predictions)
            push(run)
            progress(len(run))
    return served


def _ask(client: httpx.Client, url: str, instances: list[Row]) -> list[Row]:
    try:
        answer = client.post(url, json={"instances": instances})
    except httpx.HTTPError as error:
        raise Unavailable(_PART, type(error).__name__, hint="see its log") from error
    if answer.status_code != httpx.codes.OK:
        raise Unavailable(_PART, f"it answered {answer.status_code}: {answer.text[:200]}")
    predictions: list[Row] = answer.json()["predictions"]
    if [p["transaction_id"] for p in predictions] != [i["transaction_id"] for i in instances]:
        raise Unavailable(_PART, "the answers are not those of the request, in order")
    return predictions
