"""From a source's table to the canonical columns, row by row, losing nothing.

A column that is absent or of an impossible type makes the file unusable. A single cell that cannot
be a time or an amount, or is a time finer than microseconds, makes its row a reject, with the
reason and the cell's text. Everything else (an amount below zero, an empty identifier) is
expressible, and the validation judges it.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cardfraud.adapters.sources import cells
from cardfraud.adapters.sources.mapping import Mapping
from cardfraud.contracts.labels import LABEL_COLUMNS
from cardfraud.contracts.sources import REJECT_COLUMNS
from cardfraud.contracts.transactions import TRANSACTION_COLUMNS
from cardfraud.errors import InvalidFrame


@dataclass(frozen=True, slots=True)
class Converted:
    """A whole table in canonical columns, not yet split by day.

    ``labels`` and ``rejects`` have the column ``event_time`` beside their own, to be split by.
    """

    transactions: pl.DataFrame
    labels: pl.DataFrame
    rejects: pl.DataFrame
    ignored_columns: tuple[str, ...]


def convert(table: pl.DataFrame, mapping: Mapping, file: str) -> Converted:
    """Convert a table; the order of its rows stays.

    Args:
        table: the source's columns.
        mapping: which of them means what.
        file: name of the source in messages.

    Raises:
        InvalidFrame: a column is missing, of a type that cannot be meant, or without any value that
            can be read.
    """
    columns = mapping.columns
    present = set(table.columns)
    missing = [name for name in columns.named() if name not in present]
    if missing:
        reason = f"columns missing: {', '.join(missing)}"
        raise InvalidFrame(file, reason, hint=f"it has {', '.join(table.columns)}")
    time_us = cells.times(table[columns.event_time], mapping, file)
    amount = cells.amounts(table[columns.amount], mapping, file)
    canonical = pl.DataFrame(
        {
            "row": pl.int_range(len(table), dtype=pl.Int64, eager=True),
            "transaction_id": cells.texts(table[columns.transaction_id], file),
            "event_time": time_us.values,
            "user_id": cells.texts(table[columns.user_id], file),
            "merchant_id": cells.texts(table[columns.merchant_id], file),
            "amount_minor": amount.values,
            "currency": _currency(table, mapping, file),
            "segment": _segment(table, mapping, file),
            "reason": cells.join_reasons(time_us.reasons, amount.reasons),
            "detail": cells.join_reasons(time_us.details, amount.details),
        }
    )
    usable = canonical["reason"].is_null()
    good = canonical.filter(usable)
    return Converted(
        good.select(TRANSACTION_COLUMNS),
        _labels(table.filter(usable), good, mapping, file),
        canonical.filter(~usable).select(*REJECT_COLUMNS, "event_time"),
        tuple(name for name in table.columns if name not in set(columns.named())),
    )


def _no_labels() -> pl.DataFrame:
    return pl.DataFrame(
        schema={
            "transaction_id": pl.String,
            "is_fraud": pl.Boolean,
            "reported_at": pl.Datetime("us", "UTC"),
            "revision": pl.Int32,
            "event_time": pl.Datetime("us", "UTC"),
        }
    )


def _currency(table: pl.DataFrame, mapping: Mapping, file: str) -> pl.Series:
    name = mapping.columns.currency
    if name is None:
        return pl.Series([mapping.currency]).new_from_index(0, len(table))
    return cells.texts(table[name], file).fill_null(mapping.currency)


def _segment(table: pl.DataFrame, mapping: Mapping, file: str) -> pl.Series:
    name = mapping.columns.segment
    if name is None:
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(table))
    return cells.texts(table[name], file)


def _labels(
    table: pl.DataFrame, transactions: pl.DataFrame, mapping: Mapping, file: str
) -> pl.DataFrame:
    columns = mapping.columns
    if columns.is_fraud is None or table.is_empty():
        return _no_labels()
    reported = transactions["event_time"] + mapping.label_delay
    if columns.reported_at is not None:
        told = cells.times(table[columns.reported_at], mapping, file, optional=True)
        wrong = told.details.drop_nulls()
        if len(wrong):
            fault = told.reasons.drop_nulls()[0].split(": ")[1]
            raise InvalidFrame(file, f"column {columns.reported_at}: {fault}: {wrong[0]}")
        reported = told.values.zip_with(told.values.is_not_null(), reported)
    return (
        transactions.select("transaction_id", "event_time")
        .with_columns(
            is_fraud=cells.flags(table[columns.is_fraud], file),
            reported_at=reported,
            revision=pl.lit(0, dtype=pl.Int32),
        )
        .filter(pl.col("is_fraud").is_not_null(), pl.col("transaction_id").is_not_null())
        .select(*LABEL_COLUMNS, "event_time")
    )
