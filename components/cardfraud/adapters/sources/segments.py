"""Segments for a source that has none: how long a user is known, and what they spent at first.

The rule, which never looks ahead:

- A user joins with the first transaction that the source has of them.
- For ``NEW_DAYS`` days from then on their transactions are of the segment ``new``.
- Afterwards they are of ``spend-d01`` (least) to ``spend-d10`` (most): the decile of what they
  spent in those days. The borders between the deciles are those of all users' spending in the
  first ``NEW_DAYS`` days of the source, so they too are known when the first user gets one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import cached_property
from typing import Final

import polars as pl

from cardfraud.contracts.labels import USER_COLUMNS
from cardfraud.contracts.sources import Extract, Source

NEW: Final = "new"
NEW_DAYS: Final = 30
DECILES: Final = 10


class DerivedSegments:
    """A source of which each transaction and each user gets a segment by the rule above."""

    def __init__(self, source: Source) -> None:
        """Wrap a source; it is read through once, when the first segment is asked for."""
        self._source = source

    @property
    def name(self) -> str:
        """Name of the wrapped source."""
        return self._source.name

    def days(self) -> list[date]:
        """Days of the wrapped source."""
        return self._source.days()

    def read(self, day: date) -> Extract:
        """One day of the wrapped source, with segments."""
        extract = self._source.read(day)
        with_segment = (
            extract.transactions.drop("segment")
            .join(self._joined, on="user_id", how="left", maintain_order="left")
            .with_columns(segment=_segment_at(pl.col("event_time")))
            .select(extract.transactions.columns)
        )
        return Extract(with_segment, extract.labels, extract.rejects, extract.ignored_columns)

    def users(self) -> pl.DataFrame:
        """All users; ``segment`` is as of the end of the source's last day."""
        return (
            self._joined.with_columns(segment=_segment_at(pl.lit(self._end)))
            .select(USER_COLUMNS)
            .sort("user_id")
        )

    @cached_property
    def _end(self) -> date:
        return self.days()[-1] + timedelta(days=1)

    @cached_property
    def _joined(self) -> pl.DataFrame:
        """user_id, joined_at and decile (the segment's name, whenever it becomes visible)."""
        spending = pl.concat(
            self._source.read(day).transactions.select("user_id", "event_time", "amount_minor")
            for day in self.days()
        ).drop_nulls("user_id")
        joined = spending.with_columns(
            joined_at=pl.col("event_time").min().over("user_id"),
        )
        new = timedelta(days=NEW_DAYS)
        first_day = pl.col("event_time") < pl.lit(self.days()[0] + new).cast(
            pl.Datetime("us", "UTC")
        )
        at_first = pl.col("event_time") < pl.col("joined_at") + new
        spent = joined.group_by("user_id").agg(
            pl.col("joined_at").first(),
            spent=pl.col("amount_minor").filter(at_first).sum(),
            spent_at_start=pl.col("amount_minor").filter(first_day).sum(),
            at_start=first_day.any(),
        )
        borders = _borders(spent.filter("at_start")["spent_at_start"])
        return spent.select("user_id", "joined_at", decile=_decile(borders))


def users_seen(days: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the users of a source's transactions: joined at their first, segment of their latest.

    Args:
        days: transactions in canonical columns.
    """
    parts = [day.select("user_id", "segment", "event_time") for day in days]
    return (
        pl.concat(parts)
        .drop_nulls("user_id")
        .sort("event_time")
        .group_by("user_id")
        .agg(
            pl.col("segment").drop_nulls().last(),
            joined_at=pl.col("event_time").first(),
        )
        .select(USER_COLUMNS)
        .sort("user_id")
    )


def _segment_at(moment: pl.Expr) -> pl.Expr:
    known = moment.cast(pl.Datetime("us", "UTC")) >= pl.col("joined_at") + timedelta(days=NEW_DAYS)
    decile = pl.when(known).then("decile").otherwise(pl.lit(NEW))
    return pl.when(pl.col("joined_at").is_not_null()).then(decile)


def _borders(spent: pl.Series) -> list[float]:
    quantiles = [spent.quantile(n / DECILES, "linear") for n in range(1, DECILES)]
    return [border for border in quantiles if border is not None]


def _decile(borders: list[float]) -> pl.Expr:
    above = pl.sum_horizontal([(pl.col("spent") > border).cast(pl.Int32) for border in borders])
    return pl.format("spend-d{}", (above + 1).cast(pl.String).str.zfill(2))
