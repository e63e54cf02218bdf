"""Rows of the prediction log as Parquet, column by column: no object is made for a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cardfraud.contracts.telemetry import PREDICTION_SCHEMA_VERSION
from cardfraud_inference.telemetry.arrow_columns import (
    chosen,
    fixed_texts,
    lists,
    numbers,
    texts,
    truths,
)
from cardfraud_inference.telemetry.packed_decisions import (
    DECISIONS,
    DEGRADED,
    HAS_AGE,
    HAS_SCORE,
    PackedDecisions,
)

_TIME: Final = pa.timestamp("us", tz="UTC")
_RULE_VALUES: Final = pa.list_(pa.struct({"name": pa.string(), "value": pa.float64()}))
PREDICTION_SCHEMA: Final = pa.schema(
    [
        pa.field("schema_version", pa.int32(), nullable=False),
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("transaction_key", pa.string(), nullable=False),
        pa.field("event_time", _TIME, nullable=False),
        pa.field("served_at", _TIME, nullable=False),
        pa.field("track", pa.string(), nullable=False),
        pa.field("bundle", pa.string(), nullable=False),
        pa.field("policy", pa.string(), nullable=False),
        pa.field("feature_set", pa.string(), nullable=False),
        pa.field("vector", pa.list_(pa.float32()), nullable=False),
        pa.field("score", pa.float32()),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("propensity", pa.float64(), nullable=False),
        pa.field("degraded", pa.bool_(), nullable=False),
        pa.field("age_seconds", pa.float64()),
        pa.field("latency_ms", pa.float64(), nullable=False),
        pa.field("rule_values", _RULE_VALUES, nullable=False),
    ]
)
"""Columns of a file, in the order of ``PREDICTION_COLUMNS``."""

_VERSIONS: Final = ("track", "bundle", "policy", "feature_set")
_REPEATING: Final = [*_VERSIONS, "decision", "rule_values.list.element.name"]
_DAY_US: Final = 86_400_000_000
_CHUNK: Final = 500
"""Rows that are encoded at a time, in half a millisecond."""


def encode(blocks: Sequence[PackedDecisions], rest: Callable[[], None] = lambda: None) -> bytes:
    """Return one Parquet file with these rows; one without rows where there are none.

    Args:
        blocks: the decisions.
        rest: called now and then, so that encoding holds nobody up for long.
    """
    batches = []
    for chunk in _chunks(blocks):
        batches.append(_encoded(chunk))
        rest()
    # From here on it is compiled code, which needs no interpreter.
    sink = pa.BufferOutputStream()
    table = pa.Table.from_batches(batches, PREDICTION_SCHEMA)
    pq.write_table(table, sink, compression="zstd", use_dictionary=_REPEATING)
    return bytes(sink.getvalue().to_pybytes())


def has_rows(content: bytes) -> bool:
    """Tell whether a file has rows."""
    return bool(pq.ParquetFile(pa.BufferReader(content)).metadata.num_rows)


def day_number(served_at_us: int) -> int:
    """Days from 1970-01-01 to the UTC day of a moment, which is in microseconds since then."""
    return served_at_us // _DAY_US


def day_served(served_at_us: int) -> date:
    """UTC day of a moment: the partition that rows served then belong to."""
    return date(1970, 1, 1) + timedelta(days=day_number(served_at_us))


def _chunks(blocks: Iterable[PackedDecisions]) -> Iterator[list[PackedDecisions]]:
    """Yield the blocks, some together, of which all have the same versions and width."""
    chunk: list[PackedDecisions] = []
    rows = 0
    for block in blocks:
        if chunk and (rows >= _CHUNK or not _alike(chunk[0], block)):
            yield chunk
            chunk, rows = [], 0
        chunk.append(block)
        rows += len(block)
    if chunk:
        yield chunk


def _alike(one: PackedDecisions, other: PackedDecisions) -> bool:
    return one.versions is other.versions and one.width == other.width


def _encoded(blocks: Sequence[PackedDecisions]) -> pa.RecordBatch:
    """Return the rows of blocks of the same versions and width."""
    versions = blocks[0].versions
    data = np.frombuffer(b"".join([block.body for block in blocks]), dtype=blocks[0].layout)
    rows, flags = len(data), data["flags"]
    columns = {
        "schema_version": numbers(
            np.full(rows, PREDICTION_SCHEMA_VERSION, dtype=np.int32), pa.int32()
        ),
        "request_id": texts([block.request_id for block in blocks for _ in range(block.rows)]),
        "transaction_key": fixed_texts(data["transaction_key"]),
        "event_time": numbers(data["event_time"], _TIME),
        "served_at": numbers(data["served_at"], _TIME),
        "vector": lists(data["vector"], numbers(data["vector"], pa.float32())),
        "score": numbers(data["score"], pa.float32(), known=flags & HAS_SCORE != 0),
        "decision": chosen(data["decision"], DECISIONS),
        "propensity": numbers(data["propensity"], pa.float64()),
        "degraded": truths(flags & DEGRADED != 0),
        "age_seconds": numbers(data["age_seconds"], pa.float64(), known=flags & HAS_AGE != 0),
        "latency_ms": numbers(data["latency_ms"], pa.float64()),
        "rule_values": _rule_values(data["rule_values"], versions.rule_fields),
    }
    for name in _VERSIONS:
        columns[name] = chosen(np.zeros(rows, dtype=np.int8), [getattr(versions, name)])
    arrays = [columns[name] for name in PREDICTION_SCHEMA.names]
    return pa.RecordBatch.from_arrays(arrays, schema=PREDICTION_SCHEMA)


def _rule_values(values: NDArray[np.float64], fields: Sequence[str]) -> pa.Array:
    places = np.tile(np.arange(len(fields), dtype=np.int8), len(values))
    named = [chosen(places, fields), numbers(values, pa.float64())]
    return lists(values, pa.StructArray.from_arrays(named, ["name", "value"]))
