"""Reading raw days, with every fault found before anything is said."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl
from polars._typing import PolarsDataType
from pydantic import ValidationError

from cardfraud.adapters.object_store import ObjectStore, decode_frame
from cardfraud.contracts import keys
from cardfraud.contracts.digests import sha256_hex
from cardfraud.contracts.frames import LABEL_SCHEMA, TRANSACTION_SCHEMA, require_schema
from cardfraud.contracts.raw import RawManifest
from cardfraud.errors import IntegrityError, InvalidInput, NotFound
from cardfraud.steps.validate.config import ValidateConfig

_READERS: Final = 8


@dataclass(frozen=True, slots=True)
class RawDay:
    """One raw day as it was ingested.

    Attributes:
        day: UTC date.
        transactions: canonical columns, sorted by (event_time, transaction_id).
        labels: canonical columns.
        set_aside: number of rows that ingestion set aside.
    """

    day: date
    transactions: pl.DataFrame
    labels: pl.DataFrame
    set_aside: int


def raw_days(config: ValidateConfig, store: ObjectStore) -> list[date]:
    """Days asked for that have any raw object, in order."""
    found = {
        keys.partition_day(key)
        for folder in (keys.RAW_TRANSACTIONS, keys.RAW_MANIFESTS)
        for key in store.keys(f"{folder}/")
    }
    return sorted(day for day in found if config.covers(day))


def read_days(days: list[date], store: ObjectStore) -> tuple[list[RawDay], list[str]]:
    """Read days, several at a time.

    Returns:
        The days that can be used, in order, and a sentence about each of the others.

    Raises:
        Unavailable: the object store does not answer.
    """

    def read(day: date) -> RawDay | str:
        try:
            return _read_day(day, store)
        except (InvalidInput, IntegrityError, NotFound) as error:
            return str(error)

    with ThreadPoolExecutor(_READERS) as pool:
        outcomes = list(pool.map(read, days))
    return (
        [outcome for outcome in outcomes if isinstance(outcome, RawDay)],
        [outcome for outcome in outcomes if isinstance(outcome, str)],
    )


def _read_day(day: date, store: ObjectStore) -> RawDay:
    key = keys.raw_manifest(day)
    try:
        manifest = RawManifest.model_validate_json(store.get(key))
    except NotFound as error:
        raise NotFound("manifest", key, hint=f"ingest {day} again, it is incomplete") from error
    except ValidationError as error:
        raise IntegrityError(key, "a manifest", "something else", hint="ingest again") from error
    transactions = _read_table(store, manifest, keys.RAW_TRANSACTIONS, TRANSACTION_SCHEMA)
    labels = _read_table(store, manifest, keys.RAW_LABELS, LABEL_SCHEMA)
    return RawDay(day, transactions, labels, manifest.counts.set_aside)


def _read_table(
    store: ObjectStore,
    manifest: RawManifest,
    folder: str,
    schema: Mapping[str, PolarsDataType],
) -> pl.DataFrame:
    key = keys.partition(folder, manifest.day)
    content = store.get(key)
    frame = decode_frame(content, key)
    promised = manifest.objects.get(key)
    actual = sha256_hex(content)
    if promised is None or promised.sha256 != actual:
        expected = "an entry of the manifest" if promised is None else promised.sha256
        raise IntegrityError(key, expected, actual, hint="it was changed since; ingest again")
    frame = frame.drop("ingested_at", strict=False)
    require_schema(frame, schema, key)
    return frame
