"""What can be set about an ingestion."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import AwareDatetime, Field

from cardfraud.contracts.days import DayRange


def _now() -> datetime:
    return datetime.now(UTC)


class IngestConfig(DayRange):
    """Which days are ingested, and what time is written as ``ingested_at``.

    Attributes:
        start: first day; none means the source's first.
        end: last day, inclusive; none means the source's last.
        ingested_at: of every row that is written; the time of the run unless told.
    """

    ingested_at: AwareDatetime = Field(default_factory=_now)
