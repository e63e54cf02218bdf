"""What is written of one day: three tables, prepared without touching the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from cardfraud.contracts.digests import sha256_hex
from cardfraud.contracts.frames import (
    LABEL_SCHEMA,
    TRANSACTION_SCHEMA,
    USER_SCHEMA,
    require_schema,
)
from cardfraud.contracts.raw import RowCounts
from cardfraud.contracts.sources import Extract
from cardfraud.steps.ingest.duplicates import CONFLICT, separate

__all__ = ["PreparedDay", "prepare", "require_users"]

QUARANTINE_COLUMNS: Final = (*TRANSACTION_SCHEMA, "reason", "detail")


@dataclass(frozen=True, slots=True)
class PreparedDay:
    """One day, ready to be written.

    Attributes:
        transactions: canonical columns, sorted by (event_time, transaction_id).
        labels: canonical columns, sorted by (transaction_id, revision).
        quarantine: canonical columns, ``reason`` and ``detail``.
        counts: where the rows went.
        content_sha256: digest of the three tables.
    """

    transactions: pl.DataFrame
    labels: pl.DataFrame
    quarantine: pl.DataFrame
    counts: RowCounts
    content_sha256: str


def prepare(extract: Extract, day: date, source: str) -> PreparedDay:
    """Sort a day's rows and set aside what contradicts itself.

    Raises:
        InvalidFrame: the source did not hand over the canonical columns.
    """
    name = f"{source} {day}"
    require_schema(extract.transactions, TRANSACTION_SCHEMA, f"{name}, transactions")
    require_schema(extract.labels, LABEL_SCHEMA, f"{name}, labels")
    separated = separate(extract.transactions)
    labels = extract.labels.unique(
        ["transaction_id", "revision"], keep="first", maintain_order=True
    ).sort("transaction_id", "revision")
    quarantine = _quarantine(separated.conflicts, extract.rejects)
    transactions = separated.kept.sort("event_time", "transaction_id")
    rejected = 0 if extract.rejects is None else len(extract.rejects)
    counts = RowCounts(
        rows_in=len(extract.transactions) + rejected,
        kept=len(transactions),
        duplicates=separated.duplicates,
        set_aside=len(quarantine),
        out_of_order=_out_of_order(separated.kept),
        labels=len(labels),
    )
    # Text, not Parquet: the digest stays the same when a new polars encodes differently.
    content = "\n".join(
        [*(table.write_csv() for table in (transactions, labels, quarantine)), str(counts)]
    )
    return PreparedDay(transactions, labels, quarantine, counts, sha256_hex(content.encode()))


def require_users(users: pl.DataFrame, source: str) -> pl.DataFrame:
    """Return the users, sorted by their identifier.

    Raises:
        InvalidFrame: they do not have the canonical columns.
    """
    require_schema(users, USER_SCHEMA, f"{source}, users")
    return users.sort("user_id")


def _quarantine(conflicts: pl.DataFrame, rejects: pl.DataFrame | None) -> pl.DataFrame:
    parts = [
        conflicts.with_columns(reason=pl.lit(CONFLICT), detail=pl.lit("")),
        *([] if rejects is None else [rejects]),
    ]
    schema = {**TRANSACTION_SCHEMA, "reason": pl.String, "detail": pl.String}
    empty = pl.DataFrame(schema=schema)
    return pl.concat([empty, *parts], how="diagonal").select(QUARANTINE_COLUMNS)


def _out_of_order(transactions: pl.DataFrame) -> int:
    time = pl.col("event_time")
    return int(transactions.select((time < time.cum_max().shift(1)).sum()).item())
