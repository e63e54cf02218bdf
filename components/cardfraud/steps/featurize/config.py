"""What the featurize step is asked for and what it answers."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class FeaturizeConfig(BaseModel):
    """Days to write values for.

    Attributes:
        start: first UTC day, inclusive.
        end: last UTC day, inclusive; everything known up to its end is read.
        snapshot_day: UTC day whose midnight the state snapshots stand for; the day after ``end``
            where it is not given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: date
    end: date
    snapshot_day: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end < self.start:
            msg = "end must not be before start"
            raise ValueError(msg)
        if self.snapshot_day is not None and self.snapshot_day > self.end + timedelta(days=1):
            msg = "snapshot_day must not be later than the day after end"
            raise ValueError(msg)
        return self

    @property
    def as_of(self) -> date:
        """The day whose midnight the snapshots stand for."""
        return self.snapshot_day or self.end + timedelta(days=1)


class SnapshotResult(BaseModel):
    """One day's state snapshots.

    Attributes:
        day: UTC day whose midnight they stand for.
        users: users with a history blob.
        merchants: merchants with a risk blob.
        corrected: state views of which an earlier snapshot of this day was replaced.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    users: int
    merchants: int
    corrected: tuple[str, ...]


class RefreshResult(BaseModel):
    """One hour's state of the merchants.

    Attributes:
        hour: UTC hour whose beginning it stands for.
        merchants: merchants with a risk blob.
        superseded: whether a later hour's state was there already, which stays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hour: datetime
    merchants: int
    superseded: bool


class FeaturizeResult(BaseModel):
    """What the step wrote.

    Attributes:
        rows: transactions whose values were written.
        rows_read: transactions that they were computed from, themselves included.
        days: days of which there are values.
        feature_set: digest of the definitions.
        snapshot: the state snapshots.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    rows_read: int
    days: tuple[date, ...]
    feature_set: str
    snapshot: SnapshotResult
