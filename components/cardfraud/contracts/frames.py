"""The canonical tables as polars schemas, and the check that a table is one.

Only steps, sources and features import this module: servers carry no polars.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl
from polars._typing import PolarsDataType

from cardfraud.contracts.labels import LABEL_COLUMNS, USER_COLUMNS
from cardfraud.contracts.telemetry import PREDICTION_COLUMNS
from cardfraud.contracts.transactions import TRANSACTION_COLUMNS
from cardfraud.errors import InvalidFrame

TIME: Final = pl.Datetime("us", "UTC")

_TYPES: Final[dict[str, PolarsDataType]] = {
    "event_time": TIME,
    "amount_minor": pl.Int64(),
    "is_fraud": pl.Boolean(),
    "reported_at": TIME,
    "revision": pl.Int32(),
    "joined_at": TIME,
    "schema_version": pl.Int32(),
    "served_at": TIME,
    "vector": pl.List(pl.Float32()),
    "score": pl.Float32(),
    "propensity": pl.Float64(),
    "degraded": pl.Boolean(),
    "age_seconds": pl.Float64(),
    "latency_ms": pl.Float64(),
    "rule_values": pl.List(pl.Struct({"name": pl.String(), "value": pl.Float64()})),
}


def _schema(columns: tuple[str, ...]) -> dict[str, PolarsDataType]:
    return {name: _TYPES.get(name, pl.String()) for name in columns}


TRANSACTION_SCHEMA: Final = _schema(TRANSACTION_COLUMNS)
LABEL_SCHEMA: Final = _schema(LABEL_COLUMNS)
USER_SCHEMA: Final = _schema(USER_COLUMNS)
PREDICTION_SCHEMA: Final = _schema(PREDICTION_COLUMNS)
"""Columns and types of each table, in order; amounts in minor units, times in UTC."""


def require_schema(frame: pl.DataFrame, schema: Mapping[str, PolarsDataType], source: str) -> None:
    """Make sure that a table has exactly the columns of a schema, with their types.

    Args:
        frame: the table.
        schema: names and types.
        source: name of the table in the message.

    Raises:
        InvalidFrame: naming every column that is missing, unknown or of another type.
    """
    faults = [f"column {name} is missing" for name in schema if name not in frame.columns]
    faults += [f"column {name} is unknown" for name in frame.columns if name not in schema]
    faults += [
        f"column {name} is {frame.schema[name]} instead of {dtype}"
        for name, dtype in schema.items()
        if name in frame.columns and frame.schema[name] != dtype
    ]
    if faults:
        raise InvalidFrame(source, "; ".join(faults))
