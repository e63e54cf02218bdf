"""Decisions as servers log them, and files of the log made by the code that makes them."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.telemetry import Pseudonyms, ServedDecisions, ServedVersions
from cardfraud_inference.telemetry.packed_decisions import pack
from cardfraud_inference.telemetry.prediction_table import day_served, encode
from tests.support import servers

LOG_KEY = servers.LOG_KEY.encode()
VERSIONS = ServedVersions("stable", "sha256-b", "sha256-p", "sha256:f", ("amount",))
SERVED_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return round(moment.timestamp() * 1_000_000)


def decisions(
    ids: Sequence[str],
    *,
    versions: ServedVersions = VERSIONS,
    served_at: datetime = SERVED_AT,
    event_times: Sequence[datetime] | None = None,
    scores: Sequence[float] | None = None,
    decided: str = "review",
) -> ServedDecisions:
    """Return the decisions of one request."""
    number = len(ids)
    times = [served_at] * number if event_times is None else event_times
    return ServedDecisions(
        versions=versions,
        request_id="request",
        served_at_us=micros(served_at),
        latency_ms=1.5,
        transaction_ids=list(ids),
        event_times_us=[micros(time) for time in times],
        vector=np.array([[0.1, 2.0]] * number, dtype=np.float32).reshape(number, 2),
        scores=scores,
        decisions=[decided] * number,
        degraded=[True] * number,
        ages=[None] * number,
        rule_values=[np.full(number, 57.16)] * len(versions.rule_fields),
    )


def encoded(*blocks: ServedDecisions, key: bytes = LOG_KEY) -> bytes:
    """Return a file of the log."""
    return encode([pack(block, Pseudonyms(key)) for block in blocks])


def write_log(
    store: ObjectStore, *blocks: ServedDecisions, writer: str = "0" * 32, number: int = 0
) -> str:
    """Write one file of the log; return its key."""
    key = keys.predictions("fraud", day_served(blocks[0].served_at_us), writer, number)
    store.put(key, encoded(*blocks))
    return key
