"""Training sets: Feast's point-in-time join over days of transactions, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import polars as pl

from cardfraud.errors import InvalidFrame
from cardfraud.features.definitions import FEATURE_NAMES, FEATURE_VIEWS

_COLUMNS: Final = {
    "transaction_id": pl.String(),
    "event_time": pl.Datetime("us", "UTC"),
    "amount_minor": pl.Int64(),
}
_REFERENCES: Final = [
    f"{view.name}:{feature.name}" for view in FEATURE_VIEWS for feature in view.features
]


def training_set(store: Any, transactions: pl.DataFrame, chunk_rows: int) -> pl.DataFrame:
    """Return every feature's value for each transaction; see ``FeatureStore.training_set``.

    Args:
        store: Feast's store with its offline half.
        transactions: transaction_id, event_time and amount_minor.
        chunk_rows: rows that are joined at a time.
    """
    for name, dtype in _COLUMNS.items():
        if transactions.schema.get(name) != dtype:
            raise InvalidFrame(
                "transactions", f"{name} is {transactions.schema.get(name)}, not {dtype}"
            )
    rows = transactions.select(*_COLUMNS).with_row_index("row")
    parts = [_joined(store, chunk) for chunk in _chunks(rows, chunk_rows)]
    values = (
        pl.concat(parts).sort("row")
        if parts
        else pl.DataFrame(schema=dict.fromkeys(("row", *FEATURE_NAMES), pl.Float32))
    )
    if not values["row"].cast(pl.UInt32).equals(rows["row"]):
        raise InvalidFrame("training set", f"{len(values)} rows for {len(rows)} transactions")
    return pl.concat([rows.drop("row", "amount_minor"), values.drop("row")], how="horizontal")


def _chunks(rows: pl.DataFrame, chunk_rows: int) -> Iterator[pl.DataFrame]:
    """Cut rows in order of time, so that a chunk needs few partitions."""
    ordered = rows.sort("event_time")
    return ordered.iter_slices(chunk_rows) if len(ordered) else iter(())


def _joined(store: Any, chunk: pl.DataFrame) -> pl.DataFrame:
    """Join one chunk. The row number goes with each row, since a join keeps no order."""
    entities = chunk.select(
        "row",
        "transaction_id",
        "amount_minor",
        event_timestamp="event_time",
        event_time_us=pl.col("event_time").dt.epoch("us"),
    ).to_pandas()
    job = store.get_historical_features(entity_df=entities, features=_REFERENCES)
    frame = pl.from_arrow(job.to_arrow())
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 (a table is a frame; for the type checker)
    return frame.select(
        pl.col("row").cast(pl.UInt32),
        pl.col(FEATURE_NAMES).cast(pl.Float32).fill_nan(None),
    )
