"""The ingest step: writes each day's objects, the manifest last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

import polars as pl
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from cardfraud.adapters.object_store import ObjectStore, decode_frame, encode_frame
from cardfraud.contracts import keys
from cardfraud.contracts.digests import sha256_hex
from cardfraud.contracts.raw import RawManifest, RawObject, RowCounts
from cardfraud.contracts.sources import Source
from cardfraud.errors import DataRejected, InvalidFrame, NotFound
from cardfraud.steps.ingest.config import IngestConfig
from cardfraud.steps.ingest.day import PreparedDay, prepare, require_users

Progress = Callable[[int, int], None]
"""Called with the number of days done and of all days."""

_log = structlog.get_logger(__name__)


class IngestResult(BaseModel):
    """What an ingestion did.

    Attributes:
        source: name of the source.
        first_day: first day that was asked for and is there.
        last_day: the last one.
        written: days that were new or had changed.
        unchanged: days whose content was already there, and was left alone.
        counts: where the rows of all these days went.
        users: rows of the table of users.
        ignored_columns: columns of the source that no mapping names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    first_day: date
    last_day: date
    written: int
    unchanged: int
    counts: RowCounts
    users: int
    ignored_columns: tuple[str, ...] = ()


def run(
    config: IngestConfig,
    source: Source,
    store: ObjectStore,
    *,
    progress: Progress | None = None,
) -> IngestResult:
    """Write the raw partitions of every day asked for, and the users.

    A day whose content is already there is not written again, so that a second run leaves every
    byte as it is; to know it, every object of the day is read. A day that changed, or of which an
    object is lost or damaged, is written anew; while it is, it has no manifest.

    Args:
        config: the days and the time to write.
        source: where the rows come from.
        store: where they go.
        progress: told after each day.

    Raises:
        DataRejected: the source has no day in the range.
        InvalidFrame: the source cannot be read, or does not hand over the canonical columns.
        Unavailable: the object store does not answer.
    """
    days = [day for day in source.days() if config.covers(day)]
    if not days:
        asked = f"from {config.start or 'the first'} to {config.end or 'the last'}"
        raise DataRejected(source.name, [f"there is no day {asked}"], hint="check the range")
    manifests: list[RawManifest] = []
    written = 0
    for number, day in enumerate(days, start=1):
        manifest, changed = _ingest_day(config, source, store, day)
        manifests.append(manifest)
        written += changed
        if progress is not None:
            progress(number, len(days))
    users = require_users(source.users(), source.name)
    _put_if_changed(store, keys.RAW_USERS, encode_frame(users))
    result = IngestResult(
        source=source.name,
        first_day=days[0],
        last_day=days[-1],
        written=written,
        unchanged=len(days) - written,
        counts=_sum(manifests),
        users=len(users),
        ignored_columns=tuple(
            dict.fromkeys(name for manifest in manifests for name in manifest.ignored_columns)
        ),
    )
    _log.info("ingested", **result.model_dump(mode="json"))
    return result


def _ingest_day(
    config: IngestConfig, source: Source, store: ObjectStore, day: date
) -> tuple[RawManifest, bool]:
    extract = source.read(day)
    prepared = prepare(extract, day, source.name)
    earlier = _manifest(store, day)
    same = earlier is not None and earlier.content_sha256 == prepared.content_sha256
    # An object that was lost comes back as it was, with the time at which it was first written.
    ingested_at = earlier.ingested_at if earlier is not None and same else config.ingested_at
    tables = _tables(prepared, day, ingested_at)
    if earlier is not None and same and _intact(store, earlier, tables):
        return earlier, False
    if earlier is not None:
        store.delete(keys.raw_manifest(day))
    manifest = RawManifest(
        day=day,
        source=source.name,
        ingested_at=ingested_at,
        content_sha256=prepared.content_sha256,
        counts=prepared.counts,
        objects=_write(store, tables, day),
        ignored_columns=extract.ignored_columns,
    )
    store.put(keys.raw_manifest(day), manifest.model_dump_json(indent=2).encode())
    return manifest, True


def _tables(prepared: PreparedDay, day: date, ingested_at: datetime) -> dict[str, pl.DataFrame]:
    """The day's tables by the key that each is written to."""
    stamp = pl.lit(ingested_at.astimezone(UTC), dtype=pl.Datetime("us", "UTC"))
    tables = {
        keys.RAW_TRANSACTIONS: prepared.transactions.with_columns(ingested_at=stamp),
        keys.RAW_LABELS: prepared.labels,
    }
    if len(prepared.quarantine):
        tables[keys.QUARANTINE_INGEST] = prepared.quarantine.with_columns(ingested_at=stamp)
    return {keys.partition(folder, day): table for folder, table in tables.items()}


def _write(
    store: ObjectStore, tables: Mapping[str, pl.DataFrame], day: date
) -> dict[str, RawObject]:
    quarantine = keys.partition(keys.QUARANTINE_INGEST, day)
    if quarantine not in tables:
        store.delete(quarantine)
    return {
        key: RawObject(sha256=store.put_frame(key, table), rows=len(table))
        for key, table in tables.items()
    }


def _intact(store: ObjectStore, manifest: RawManifest, tables: Mapping[str, pl.DataFrame]) -> bool:
    """Tell whether the store holds these tables, under the digests that the manifest has."""
    if manifest.objects.keys() != tables.keys():
        return False
    for key, table in tables.items():
        try:
            content = store.get(key)
            if sha256_hex(content) != manifest.objects[key].sha256:
                return False
            stored = decode_frame(content, key)
        except (NotFound, InvalidFrame):
            return False
        # The rows and not the bytes: another polars may encode the same rows differently.
        if stored.schema != table.schema or not stored.equals(table):
            return False
    return True


def _manifest(store: ObjectStore, day: date) -> RawManifest | None:
    try:
        return RawManifest.model_validate_json(store.get(keys.raw_manifest(day)))
    except NotFound as error:
        if error.kind == "bucket":
            raise
        return None
    except ValidationError:
        # Of another version, or damaged: the day is written anew.
        return None


def _put_if_changed(store: ObjectStore, key: str, content: bytes) -> None:
    if not store.exists(key) or sha256_hex(store.get(key)) != sha256_hex(content):
        store.put(key, content)


def _sum(manifests: list[RawManifest]) -> RowCounts:
    counts = [manifest.counts.model_dump() for manifest in manifests]
    return RowCounts(**{name: sum(count[name] for count in counts) for name in counts[0]})
