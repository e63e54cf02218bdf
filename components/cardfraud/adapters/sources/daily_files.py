"""A folder with one file a day, ``YYYY-MM-DD.parquet`` or ``.csv``, read when it is asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from cardfraud.adapters.sources.conversion import Converted, convert
from cardfraud.adapters.sources.mapping import HANDBOOK, Mapping
from cardfraud.adapters.sources.segments import DerivedSegments, users_seen
from cardfraud.adapters.sources.tables import is_table, read_table
from cardfraud.contracts.labels import LABEL_COLUMNS
from cardfraud.contracts.sources import REJECT_COLUMNS, Extract
from cardfraud.errors import InvalidFrame, NotFound


class DailyFiles:
    """Files by UTC day, in one schema."""

    def __init__(self, folder: Path, mapping: Mapping, *, name: str = "daily-files") -> None:
        """List the folder.

        Raises:
            NotFound: there is no such folder.
            InvalidFrame: no file in it has a day for a name, or two have the same.
        """
        if not folder.is_dir():
            raise NotFound("folder", str(folder), hint="name a folder with one file a day")
        self.name = name
        self._mapping = mapping
        self._files: dict[date, Path] = {}
        for path in sorted(folder.iterdir()):
            day = _day_of(path) if is_table(path) else None
            if day is None:
                continue
            other = self._files.setdefault(day, path)
            if other != path:
                reason = f"{other.name} and {path.name} are both of {day}"
                raise InvalidFrame(str(folder), reason, hint="merge them, or remove one")
        if not self._files:
            raise InvalidFrame(str(folder), "no file YYYY-MM-DD.parquet or YYYY-MM-DD.csv")

    def days(self) -> list[date]:
        """All days with a file, in order."""
        return sorted(self._files)

    def read(self, day: date) -> Extract:
        """Read one day's file; rows of other days in it are rejects.

        Raises:
            InvalidFrame: the file is unusable.
            NotFound: there is no file of that day.
        """
        path = self._files.get(day)
        if path is None:
            raise NotFound("file of the day", str(day))
        converted = convert(read_table(path), self._mapping, path.name)
        return _of_day(converted, day)

    def users(self) -> pl.DataFrame:
        """The users whom any file mentions; reads every file."""
        return users_seen(self.read(day).transactions for day in self.days())


def handbook(folder: Path) -> DerivedSegments:
    """Return the handbook's transactions, with segments derived from what users did before."""
    return DerivedSegments(DailyFiles(folder, HANDBOOK, name="handbook"))


def _of_day(converted: Converted, day: date) -> Extract:
    on_day = pl.col("event_time").dt.date() == day
    strays = converted.transactions.filter(~on_day).select(
        row=pl.lit(None, dtype=pl.Int64),
        transaction_id="transaction_id",
        reason=pl.lit("event_time: not on the day that the file is named for"),
        detail=pl.col("event_time").dt.to_string("iso:strict"),
    )
    return Extract(
        converted.transactions.filter(on_day),
        converted.labels.filter(on_day).select(LABEL_COLUMNS),
        pl.concat([converted.rejects.select(REJECT_COLUMNS), strays]),
        converted.ignored_columns,
    )


def _day_of(path: Path) -> date | None:
    try:
        return datetime.strptime(path.name[:10], "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
