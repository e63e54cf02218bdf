"""The manifest of a raw day: written last, so that a day with one is complete."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from cardfraud.contracts.frozen import Frozen

RAW_SCHEMA_VERSION: Final = 1

Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Rows = Annotated[int, Field(ge=0)]


class RawObject(Frozen):
    """One object of a raw day."""

    sha256: Hex
    rows: Rows


class RowCounts(Frozen):
    """Where the rows of a source's day went: ``rows_in = kept + duplicates + set_aside``.

    Attributes:
        rows_in: rows of the source.
        kept: rows written.
        duplicates: repetitions of a kept row, dropped.
        set_aside: rows written to the quarantine instead, each with its reason.
        out_of_order: kept rows that came after one with a later event time.
        labels: label rows written.
    """

    rows_in: Rows
    kept: Rows
    duplicates: Rows
    set_aside: Rows
    out_of_order: Rows
    labels: Rows


class RawManifest(Frozen):
    """What is known of one raw day.

    Attributes:
        day: UTC date of all events.
        source: name of the source.
        ingested_at: when the day was first written with this content.
        content_sha256: digest of what the source said, without ``ingested_at``; as long as it stays
            the same, nothing is written again.
        counts: where the rows went.
        objects: by key, every object of the day.
        ignored_columns: columns of the source that no mapping names.
    """

    schema_version: Literal[1] = RAW_SCHEMA_VERSION
    day: date
    source: str
    ingested_at: datetime
    content_sha256: Hex
    counts: RowCounts
    objects: Mapping[str, RawObject]
    ignored_columns: tuple[str, ...] = ()
