"""Reading raw days, with every fault found before anything is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeVar

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
from cardfraud.steps.validate.repetitions import identifiers

_READERS: Final = 8
_Day = TypeVar("_Day")


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


@dataclass(frozen=True, slots=True)
class EarlierDay:
    """What a run needs to know of a raw day before those that it was asked for.

    Attributes:
        day: UTC date.
        rows: number of its raw rows.
        identifiers: ``transaction_id`` and ``day``, in the order of its rows; None of a day that
            lies too far back for its identifiers to matter.
    """

    day: date
    rows: int
    identifiers: pl.DataFrame | None


def raw_days(config: ValidateConfig, store: ObjectStore) -> tuple[list[date], list[date]]:
    """List the days that have any raw object.

    Returns:
        Those that are asked for and, of those before the first of them, the ones that its rows are
        held against; both in order.
    """
    tables = keys.partitions(store.keys(f"{keys.RAW_TRANSACTIONS}/"), keys.RAW_TRANSACTIONS)
    manifests = (keys.partition_day(key) for key in store.keys(f"{keys.RAW_MANIFESTS}/"))
    found = sorted({*tables, *(day for day in manifests if day is not None)})
    asked = [day for day in found if config.covers(day)]
    if not asked:
        return [], []
    before = [day for day in found if day < asked[0]]
    latest = before[-config.limits.volume_days :]
    return asked, [day for day in before if day in latest or _near(config, day, asked[0])]


def read_earlier(
    config: ValidateConfig, days: list[date], first: date, store: ObjectStore
) -> tuple[list[EarlierDay], list[str]]:
    """Read what matters of earlier days, several at a time.

    Args:
        config: how far back identifiers matter.
        days: earlier days, in order.
        first: first day that is asked for.
        store: where they are.

    Returns:
        The days that can be used, in order, and a sentence about each of the others.

    Raises:
        Unavailable: the object store does not answer.
    """

    def read(day: date) -> EarlierDay:
        manifest = _read_manifest(day, store)
        if not _near(config, day, first):
            return EarlierDay(day, manifest.counts.kept, None)
        rows = _read_table(store, manifest, keys.RAW_TRANSACTIONS, TRANSACTION_SCHEMA)
        return EarlierDay(day, len(rows), identifiers(rows, day))

    return _read_each(days, read)


def read_days(days: list[date], store: ObjectStore) -> tuple[list[RawDay], list[str]]:
    """Read days, several at a time.

    Returns:
        The days that can be used, in order, and a sentence about each of the others.

    Raises:
        Unavailable: the object store does not answer.
    """

    def read(day: date) -> RawDay:
        manifest = _read_manifest(day, store)
        transactions = _read_table(store, manifest, keys.RAW_TRANSACTIONS, TRANSACTION_SCHEMA)
        labels = _read_table(store, manifest, keys.RAW_LABELS, LABEL_SCHEMA)
        return RawDay(day, transactions, labels, manifest.counts.set_aside)

    return _read_each(days, read)


def _near(config: ValidateConfig, day: date, first: date) -> bool:
    return first - day <= timedelta(days=config.duplicate_days)


def _read_each(days: list[date], read: Callable[[date], _Day]) -> tuple[list[_Day], list[str]]:
    def attempt(day: date) -> tuple[list[_Day], list[str]]:
        try:
            return [read(day)], []
        except (InvalidInput, IntegrityError, NotFound) as error:
            return [], [str(error)]

    with ThreadPoolExecutor(_READERS) as pool:
        outcomes = list(pool.map(attempt, days))
    return (
        [day for usable, _ in outcomes for day in usable],
        [fault for _, faults in outcomes for fault in faults],
    )


def _read_manifest(day: date, store: ObjectStore) -> RawManifest:
    key = keys.raw_manifest(day)
    try:
        return RawManifest.model_validate_json(store.get(key))
    except NotFound as error:
        raise NotFound("manifest", key, hint=f"ingest {day} again, it is incomplete") from error
    except ValidationError as error:
        raise IntegrityError(key, "a manifest", "something else", hint="ingest again") from error


def _read_table(
    store: ObjectStore,
    manifest: RawManifest,
    folder: str,
    schema: Mapping[str, PolarsDataType],
) -> pl.DataFrame:
    key = keys.partition(folder, manifest.day)
    content = store.get(key)
    promised = manifest.objects.get(key)
    actual = sha256_hex(content)
    if promised is None or promised.sha256 != actual:
        expected = "an entry of the manifest" if promised is None else promised.sha256
        raise IntegrityError(key, expected, actual, hint="it was changed since; ingest again")
    frame = decode_frame(content, key).drop("ingested_at", strict=False)
    require_schema(frame, schema, key)
    return frame
