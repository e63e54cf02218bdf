"""Reads the days that features are computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Final

import polars as pl
from polars._typing import PolarsDataType

from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.frames import LABEL_SCHEMA, TRANSACTION_SCHEMA, require_schema
from cardfraud.errors import NotFound

_READERS: Final = 8
_UNUSED: Final = ("currency", "segment")
"""Columns that no feature is made of; they need not lie in memory."""


def read_transactions(store: ObjectStore, end: date) -> pl.DataFrame:
    """Read validated transactions of all days up to ``end``, in order of (event_time, id).

    Raises:
        NotFound: there are none.
        InvalidFrame: an object is damaged or in other columns; its key and the columns are told.
    """
    frame = _read(store, keys.VALIDATED_TRANSACTIONS, end, TRANSACTION_SCHEMA, unused=_UNUSED)
    if not len(frame):
        raise NotFound(
            "validated transactions up to", f"{end:%Y-%m-%d}", hint="run the validate step first"
        )
    return frame.sort("event_time", "transaction_id")


def read_labels(store: ObjectStore, end: date) -> pl.DataFrame:
    """Read all label revisions of the transactions of all days up to ``end``.

    Raises:
        InvalidFrame: an object is damaged or in other columns; its key and the columns are told.
    """
    return _read(store, keys.RAW_LABELS, end, LABEL_SCHEMA)


def _read(
    store: ObjectStore,
    folder: str,
    end: date,
    schema: Mapping[str, PolarsDataType],
    *,
    unused: Sequence[str] = (),
) -> pl.DataFrame:
    kept = {name: dtype for name, dtype in schema.items() if name not in unused}

    def read(key: str) -> pl.DataFrame:
        frame = store.get_frame(key)
        require_schema(frame, schema, key)
        return frame.select(*kept)

    found = keys.partitions(store.keys(f"{folder}/"), folder)
    with ThreadPoolExecutor(_READERS) as pool:
        parts = list(pool.map(read, [key for day, key in found.items() if day <= end]))
    return pl.concat([pl.DataFrame(schema=kept), *parts])
