"""Rows of the prediction log as Parquet, column by column: no object is made for a row.

Ids become keyed hashes here, in the thread that writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cardfraud.contracts.telemetry import (
    PREDICTION_SCHEMA_VERSION,
    Pseudonyms,
    ServedDecisions,
)
from cardfraud.errors import InvalidFrame

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
_CHUNK: Final = 100
"""Rows after which the encoding thread lets go of the interpreter, after about 0.4 ms."""
_REST_S: Final = 0.0005


def _rest() -> None:
    """Let the threads run that answer requests.

    The interpreter changes threads by itself only after 5 ms, which is long beside an answer.
    """
    time.sleep(_REST_S)


def encode(
    blocks: Sequence[ServedDecisions],
    pseudonyms: Pseudonyms,
    rest: Callable[[], None] = _rest,
) -> bytes:
    """Return one Parquet file with these rows; one without rows where there are none.

    Args:
        blocks: the decisions.
        pseudonyms: hashes their ids.
        rest: called every now and then, so that encoding holds nobody up for long.

    Raises:
        InvalidFrame: the columns of a block have not one entry for each of its decisions.
    """
    columns = _columns(blocks, pseudonyms, rest)
    sink = pa.BufferOutputStream()
    table = pa.table(columns, schema=PREDICTION_SCHEMA)
    pq.write_table(table, sink, compression="zstd", use_dictionary=_REPEATING)
    return bytes(sink.getvalue().to_pybytes())


def has_rows(content: bytes) -> bool:
    """Tell whether a file has rows."""
    return bool(pq.ParquetFile(pa.BufferReader(content)).metadata.num_rows)


def day_number(block: ServedDecisions) -> int:
    """Days from 1970-01-01 to the UTC day on which decisions were served."""
    return block.served_at_us // _DAY_US


def day_served(block: ServedDecisions) -> date:
    """UTC day on which decisions were served: the partition that their rows belong to."""
    return date(1970, 1, 1) + timedelta(days=day_number(block))


def _columns(
    blocks: Sequence[ServedDecisions], pseudonyms: Pseudonyms, rest: Callable[[], None]
) -> dict[str, Any]:
    hashes = _hashes(blocks, pseudonyms, rest)
    sizes = np.fromiter(map(len, blocks), dtype=np.int64, count=len(blocks))
    rows = int(sizes.sum())
    repeated = None if rows == len(blocks) else pa.array(np.repeat(np.arange(len(blocks)), sizes))

    def of_request(name: str, dtype: pa.DataType) -> pa.Array:
        """Repeat the value of each block for each of its rows."""
        array = pa.array(list(map(attrgetter(name), blocks)), dtype)
        return array if repeated is None else array.take(repeated)

    def of_row(name: str, dtype: pa.DataType) -> pa.Array:
        rest()
        values = chain.from_iterable(map(attrgetter(name), blocks))
        return pa.array(list(values), dtype)

    columns = {
        "schema_version": pa.array(np.full(rows, PREDICTION_SCHEMA_VERSION, dtype=np.int32)),
        "request_id": of_request("request_id", pa.string()),
        "transaction_key": pa.array(hashes, pa.string()),
        "event_time": of_row("event_times_us", pa.int64()).cast(_TIME),
        "served_at": of_request("served_at_us", pa.int64()).cast(_TIME),
        "score": pa.array(_scores(blocks), pa.float32()),
        "decision": of_row("decisions", pa.string()),
        "propensity": of_request("propensity", pa.float64()),
        "degraded": of_row("degraded", pa.bool_()),
        "age_seconds": of_row("ages", pa.float64()),
        "latency_ms": of_request("latency_ms", pa.float64()),
    }
    return columns | _by_versions(blocks, rest)


def _check(block: ServedDecisions) -> None:
    size, fields = len(block.transaction_ids), len(block.versions.rule_fields)
    if not (
        size
        == len(block.event_times_us)
        == len(block.vector)
        == len(block.decisions)
        == len(block.degraded)
        == len(block.ages)
        and (block.scores is None or len(block.scores) == size)
        and len(block.rule_values) == fields
        and all(len(column) == size for column in block.rule_values)
    ):
        reason = f"{size} decisions, {fields} values for rules; a column has another number"
        raise InvalidFrame("prediction log", reason)


def _hashes(
    blocks: Sequence[ServedDecisions], pseudonyms: Pseudonyms, rest: Callable[[], None]
) -> list[str]:
    hashes: list[str] = []
    rested = 0
    for block in blocks:
        _check(block)
        hashes += pseudonyms.of(block.transaction_ids)
        if len(hashes) - rested >= _CHUNK:
            rested = len(hashes)
            rest()
    return hashes


def _scores(blocks: Sequence[ServedDecisions]) -> list[float | None]:
    scores: list[float | None] = []
    for block in blocks:
        scores.extend([None] * len(block) if block.scores is None else block.scores)
    return scores


def _by_versions(blocks: Sequence[ServedDecisions], rest: Callable[[], None]) -> dict[str, Any]:
    """Columns that depend on what decided; blocks that follow each other mostly agree in that."""
    versions: dict[str, list[pa.Array]] = {name: [] for name in _VERSIONS}
    vectors, rule_values = [_no_vectors()], [_no_rule_values()]
    for _, run in groupby(blocks, key=lambda block: (id(block.versions), block.vector.shape[1])):
        group = list(run)
        decided = group[0].versions
        rest()
        vector = np.concatenate([block.vector for block in group], dtype=np.float32)
        rows, width = vector.shape
        for name, chunks in versions.items():
            chunks.append(pa.repeat(pa.scalar(getattr(decided, name), pa.string()), rows))
        vectors.append(pa.ListArray.from_arrays(_offsets(rows, width), vector.reshape(-1)))
        fields = decided.rule_fields
        values = np.empty((rows, len(fields)), dtype=np.float64)
        for place in range(len(fields)):
            rest()
            np.concatenate([block.rule_values[place] for block in group], out=values[:, place])
        named = [pa.array(fields * rows, pa.string()), pa.array(values.reshape(-1))]
        pairs = pa.StructArray.from_arrays(named, ["name", "value"])
        rule_values.append(pa.ListArray.from_arrays(_offsets(rows, len(fields)), pairs))
    texts = {name: pa.chunked_array(chunks, pa.string()) for name, chunks in versions.items()}
    return texts | {
        "vector": pa.chunked_array(vectors),
        "rule_values": pa.chunked_array(rule_values),
    }


def _no_vectors() -> pa.Array:
    return pa.array([], pa.list_(pa.float32()))


def _no_rule_values() -> pa.Array:
    return pa.array([], _RULE_VALUES)


def _offsets(rows: int, width: int) -> pa.Array:
    """Where each row begins in the values of all rows."""
    return pa.array(np.arange(rows + 1, dtype=np.int32) * np.int32(width))
