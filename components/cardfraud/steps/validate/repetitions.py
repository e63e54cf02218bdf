"""Rows whose identifier an earlier row has, whichever days a run is asked for."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import polars as pl

CONFLICT: Final = "conflicting_duplicate"


def identifiers(transactions: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return the identifiers of a day's rows beside their day.

    Args:
        transactions: canonical columns; ``N`` rows.
        day: the rows' partition; ``event_time`` itself may be missing.

    Returns:
        ``transaction_id`` (String) and ``day`` (Date); ``N`` rows in the same order.
    """
    return transactions.select("transaction_id", day=pl.lit(day, dtype=pl.Date))


def repeated(rows: pl.DataFrame, within_days: int) -> pl.Series:
    """Tell of each row whether an earlier one has its identifier.

    The answer for a row depends on the rows of its own day and of ``within_days`` days before, and
    on nothing else: validating day by day gives what validating all days at once gives.

    Args:
        rows: ``transaction_id`` and ``day``; ``N`` rows, of two with one identifier the one that
            is to be kept first.
        within_days: an identifier whose latest row lies more days back counts as new.

    Returns:
        ``[N]`` booleans; rows without an identifier repeat nothing.
    """
    identifier, day = pl.col("transaction_id"), pl.col("day")
    # Few identifiers come twice, and looking back costs: only those that do are looked at.
    several = rows.with_row_index().filter(identifier.is_duplicated() & identifier.is_not_null())
    since = day - day.shift(1).over(identifier)
    near = several.filter(since <= timedelta(days=within_days))["index"]
    return pl.Series("repeated", [False]).new_from_index(0, len(rows)).scatter(near, values=True)


def with_conflicts(marked: pl.DataFrame, conflicts: pl.Series) -> pl.DataFrame:
    """Add the conflict to the reasons of the rows that repeat an identifier.

    Args:
        marked: has the column ``reason``, all of a row's faults with semicolons between; ``N``
            rows.
        conflicts: ``[N]`` booleans.
    """
    both = pl.concat_list(pl.lit(CONFLICT), pl.col("reason").str.split("; ")).list.sort()
    reason = (
        pl.when(pl.col("reason").is_null()).then(pl.lit(CONFLICT)).otherwise(both.list.join("; "))
    )
    return marked.with_columns(reason=pl.when(conflicts).then(reason).otherwise(pl.col("reason")))
