"""Rows of the prediction log as Parquet: timestamps in microseconds, the vector as float32s."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cardfraud.contracts.telemetry import PREDICTION_SCHEMA_VERSION, PredictionRecord

_TIME: Final = pa.timestamp("us", tz="UTC")
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
    ]
)
"""Columns of a file, in the order of ``PREDICTION_COLUMNS``."""


def encode(records: Sequence[PredictionRecord]) -> bytes:
    """Return one Parquet file with these rows."""
    columns: dict[str, list[object]] = {name: [] for name in PREDICTION_SCHEMA.names}
    for record in records:
        row = {
            "schema_version": PREDICTION_SCHEMA_VERSION,
            "event_time": record.event_time_us,
            "served_at": record.served_at_us,
            "vector": np.frombuffer(record.vector, dtype="<f4"),
        }
        for name, values in columns.items():
            values.append(row[name] if name in row else getattr(record, name))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=PREDICTION_SCHEMA), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def day_served(record: PredictionRecord) -> date:
    """UTC day on which a decision was served: the partition that its row belongs to."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return (epoch + timedelta(microseconds=record.served_at_us)).date()
