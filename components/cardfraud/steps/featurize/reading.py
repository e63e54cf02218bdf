"""Reads the days that features are computed from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Final

import polars as pl

from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.errors import NotFound

_READERS: Final = 8
_TRANSACTIONS: Final = pl.Schema(
    {
        "transaction_id": pl.String(),
        "event_time": pl.Datetime("us", "UTC"),
        "user_id": pl.String(),
        "merchant_id": pl.String(),
        "amount_minor": pl.Int64(),
    }
)
_LABELS: Final = pl.Schema(
    {
        "transaction_id": pl.String(),
        "is_fraud": pl.Boolean(),
        "reported_at": pl.Datetime("us", "UTC"),
        "revision": pl.Int32(),
    }
)


def read_transactions(store: ObjectStore, end: date) -> pl.DataFrame:
    """Read validated transactions of all days up to ``end``, in order of (event_time, id).

    Raises:
        NotFound: there are none.
    """
    frame = _read(store, keys.VALIDATED_TRANSACTIONS, end, _TRANSACTIONS)
    if not len(frame):
        raise NotFound(
            "validated transactions up to", f"{end:%Y-%m-%d}", hint="run the validate step first"
        )
    return frame.sort("event_time", "transaction_id")


def read_labels(store: ObjectStore, end: date) -> pl.DataFrame:
    """Read all label revisions of the transactions of all days up to ``end``."""
    return _read(store, keys.RAW_LABELS, end, _LABELS)


def _read(store: ObjectStore, folder: str, end: date, schema: pl.Schema) -> pl.DataFrame:
    wanted = [
        key
        for key in store.keys(f"{folder}/")
        if key.endswith(".parquet") and keys.partition_day(key) <= end
    ]
    with ThreadPoolExecutor(_READERS) as pool:
        parts = list(pool.map(lambda key: store.get_frame(key).select(schema.names()), wanted))
    return pl.concat([schema.to_frame(), *parts])
