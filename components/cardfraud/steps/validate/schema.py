"""The contract of a transaction as a schema of whole tables.

It is made of the same constants as the single record's model in ``cardfraud.contracts``; a test
holds both against each other with random records. What a row repeats of other rows is judged in
``repetitions``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import pandera.polars as pa
import polars as pl

from cardfraud.contracts.card_numbers import looks_like_card_number
from cardfraud.contracts.frames import TRANSACTION_SCHEMA
from cardfraud.contracts.transactions import (
    EARLIEST,
    LATEST,
    MAX_AMOUNT,
    MAX_AMOUNT_MINOR,
    MAX_ID_LENGTH,
)
from cardfraud.steps.validate.config import ValidateConfig

MISSING: Final = "missing"
_PRINTABLE: Final = r"^[!-~](?:[ -~]*[!-~])?$"
_MAY_BE_CARD_NUMBER: Final = (
    r"[^\x00-\x7f]|^[^A-Za-z]{13}|[^0-9A-Za-z](?:[3-9]|2[^0-9A-Za-z]{0,2}[2-9])[^A-Za-z]{11}"
)
"""Holds of every text that may look like a card number, and of few others: not of those that begin
with a letter and have a date or no long number."""


def transaction_schema(config: ValidateConfig) -> pa.DataFrameSchema:
    """Return the schema of the canonical columns; its checks are named by the reason they give."""
    card = pa.Check(_no_card_number, name="card", error="looks like a card number")
    identifier = [
        _check(f"longer than {MAX_ID_LENGTH} characters", _no_longer),
        _check("not printable ASCII, or a blank at an end", lambda c: c.str.contains(_PRINTABLE)),
        card,
    ]
    return pa.DataFrameSchema(
        {
            "transaction_id": _column("transaction_id", identifier),
            "event_time": _column("event_time", _time_checks(config.now + config.clock_allowance)),
            "user_id": _column("user_id", identifier),
            "merchant_id": _column("merchant_id", identifier),
            "amount_minor": _column(
                "amount_minor",
                [_check(f"not in 0 to {MAX_AMOUNT}", lambda c: c.is_between(0, MAX_AMOUNT_MINOR))],
            ),
            "currency": _column(
                "currency", [_check(f"not {config.currency}", lambda c: c == config.currency)]
            ),
            "segment": _column(
                "segment",
                [_check("empty, or too long", lambda c: c.str.len_chars().is_between(1, 64)), card],
                nullable=True,
            ),
        },
        strict=True,
    )


def row_faults(transactions: pl.DataFrame, schema: pa.DataFrameSchema) -> pl.DataFrame:
    """Find every row that breaks the schema.

    Args:
        transactions: exactly the canonical columns.
        schema: made by :func:`transaction_schema`.

    Returns:
        ``index`` (UInt32, the row's number) and ``reason``: all of its faults, each
        ``column: what is wrong``, with semicolons between; sorted by index.
    """
    try:
        schema.validate(transactions, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases: pl.DataFrame = error.failure_cases
        return (
            cases.select(
                index=pl.col("index").cast(pl.UInt32),
                reason=pl.format(
                    "{}: {}", "column", pl.col("check").replace({"not_nullable": MISSING})
                ),
            )
            .group_by("index")
            .agg(pl.col("reason").unique().sort().str.join("; "))
            .sort("index")
        )
    return pl.DataFrame(schema={"index": pl.UInt32, "reason": pl.String})


def card_numbers(values: pl.Series) -> pl.Series:
    """Tell of ``N`` texts which look like a card number, by the single record's rule.

    Returns:
        ``[N]`` booleans, null for null. The rule is asked only of texts that may look like one.
    """
    candidates = values.str.contains(_MAY_BE_CARD_NUMBER)
    looks = candidates.fill_null(value=False).to_numpy().copy()
    looks[looks] = [looks_like_card_number(text) for text in values.filter(candidates)]
    return pl.Series(looks).set(candidates.is_null(), None)


def _column(name: str, checks: list[pa.Check], *, nullable: bool = False) -> pa.Column:
    return pa.Column(TRANSACTION_SCHEMA[name], checks, nullable=nullable, name=name)


def _check(reason: str, holds: Callable[[pl.Expr], pl.Expr]) -> pa.Check:
    def over(data: Any) -> pl.LazyFrame:
        frame: pl.LazyFrame = data.lazyframe
        return frame.select(holds(pl.col(data.key)))

    return pa.Check(over, name=reason, error=reason)


def _no_longer(column: pl.Expr) -> pl.Expr:
    return column.str.len_chars() <= MAX_ID_LENGTH


def _time_checks(latest: datetime) -> list[pa.Check]:
    span = f"not in {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}"
    return [
        _check(span, lambda c: c.is_between(EARLIEST, LATEST, closed="left")),
        _check("in the future", lambda c: c <= latest),
    ]


def _no_card_number(data: Any) -> pl.LazyFrame:
    values = data.lazyframe.select(data.key).collect().to_series()
    return pl.LazyFrame({data.key: ~card_numbers(values)})
