"""One file, or a folder of files of one table, in any layout that a mapping describes."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from pathlib import Path

import polars as pl

from cardfraud.adapters.sources.conversion import Converted, convert
from cardfraud.adapters.sources.mapping import Mapping
from cardfraud.adapters.sources.segments import users_seen
from cardfraud.adapters.sources.tables import is_table, read_table
from cardfraud.contracts.labels import LABEL_COLUMNS
from cardfraud.contracts.sources import REJECT_COLUMNS, Extract
from cardfraud.errors import InvalidFrame, NotFound


class MappedTable:
    """A table that is read once, when the first day is asked for, and then kept in memory.

    A day is there also when all of its rows are rejects. Rows without a usable time have no day of
    their own; they are rejects of the first day.
    """

    def __init__(self, path: Path, mapping: Mapping, *, name: str | None = None) -> None:
        """Find the files, in the order of their names.

        Raises:
            NotFound: there is no such file or folder.
            InvalidFrame: the folder has no table in it.
        """
        if not path.exists():
            raise NotFound("file", str(path))
        self.name = name or path.name
        self._mapping = mapping
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        self._files = [file for file in inside if file.is_file() and is_table(file)]
        if not self._files:
            raise InvalidFrame(path.name, "no Parquet or CSV file in it")

    def days(self) -> list[date]:
        """UTC dates of all rows with a usable time, rejects included, in order.

        Raises:
            InvalidFrame: a file is unusable.
        """
        rejected = self._converted.rejects["event_time"].dt.date().drop_nulls()
        return sorted({*self._by_day, *rejected})

    def read(self, day: date) -> Extract:
        """Return one day, in the order of the files' rows.

        Raises:
            InvalidFrame: a file is unusable.
            NotFound: nothing happened on that day.
        """
        days = self.days()
        if day not in days:
            raise NotFound("transactions of the day", str(day))
        converted = self._converted
        on_day = pl.col("event_time").dt.date() == day
        first = day == days[0]
        return Extract(
            self._by_day.get(day, converted.transactions.clear()),
            converted.labels.filter(on_day).select(LABEL_COLUMNS),
            converted.rejects.filter(on_day.fill_null(value=first)).select(REJECT_COLUMNS),
            converted.ignored_columns,
        )

    def users(self) -> pl.DataFrame:
        """The users whom the table mentions."""
        return users_seen([self._converted.transactions])

    @cached_property
    def _converted(self) -> Converted:
        parts = [convert(read_table(file), self._mapping, file.name) for file in self._files]
        ignored = {name: None for part in parts for name in part.ignored_columns}
        return Converted(
            pl.concat([part.transactions for part in parts]),
            pl.concat([part.labels for part in parts]),
            pl.concat([part.rejects for part in parts]),
            tuple(ignored),
        )

    @cached_property
    def _by_day(self) -> dict[date, pl.DataFrame]:
        transactions = self._converted.transactions
        days = transactions.with_columns(_day=pl.col("event_time").dt.date())
        parts = days.partition_by("_day", as_dict=True, include_key=False)
        return {day: part for (day,), part in parts.items()}
