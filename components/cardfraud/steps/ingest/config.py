"""What can be set about an ingestion."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator


def _now() -> datetime:
    return datetime.now(UTC)


class IngestConfig(BaseModel):
    """Which days are ingested, and what time is written as ``ingested_at``.

    Attributes:
        start: first day; none means the source's first.
        end: last day, inclusive; none means the source's last.
        ingested_at: of every row that is written; the time of the run unless told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: date | None = None
    end: date | None = None
    ingested_at: AwareDatetime = Field(default_factory=_now)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start is not None and self.end is not None and self.start > self.end:
            msg = f"end {self.end} must not lie before start {self.start}"
            raise ValueError(msg)
        return self

    def covers(self, day: date) -> bool:
        """Tell whether a day is asked for."""
        return (self.start is None or day >= self.start) and (self.end is None or day <= self.end)
