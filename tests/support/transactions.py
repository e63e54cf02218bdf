"""Records and tables of transactions, good unless a test spoils them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from cardfraud.contracts.frames import LABEL_SCHEMA, TRANSACTION_SCHEMA, USER_SCHEMA
from cardfraud.contracts.sources import Extract
from cardfraud.errors import NotFound

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
DAY = NOON.date()


def record(**changes: Any) -> dict[str, Any]:
    """Return a good transaction as JSON carries it, with some fields changed."""
    good: dict[str, Any] = {
        "transaction_id": "t1",
        "event_time": "2024-03-01T12:00:00Z",
        "user_id": "u1",
        "merchant_id": "m1",
        "amount": 57.16,
    }
    return good | changes


def transactions(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return canonical rows; what a row does not say is filled in, a minute apart."""
    filled = [
        {
            "transaction_id": f"t{number}",
            "event_time": NOON + timedelta(minutes=number),
            "user_id": f"u{number % 7}",
            "merchant_id": f"m{number % 5}",
            "amount_minor": 1_000 + 7_919 * number % 9_000,
            "currency": "EUR",
            "segment": None,
        }
        | dict(row)
        for number, row in enumerate(rows)
    ]
    return pl.DataFrame(filled, schema=TRANSACTION_SCHEMA, orient="row")


def labels_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Return labels that call every row legitimate, a week later."""
    return rows.select(
        "transaction_id",
        is_fraud=pl.lit(value=False),
        reported_at=pl.col("event_time") + timedelta(days=7),
        revision=pl.lit(0, dtype=pl.Int32),
    ).cast(LABEL_SCHEMA)  # type: ignore[arg-type]


class TableSource:
    """A source whose days are tables in memory."""

    name = "table"

    def __init__(self, days: Mapping[date, Extract]) -> None:
        self._days = days

    def days(self) -> list[date]:
        """All days, in order."""
        return sorted(self._days)

    def read(self, day: date) -> Extract:
        """One day's tables."""
        if day not in self._days:
            raise NotFound("day", str(day))
        return self._days[day]

    def users(self) -> pl.DataFrame:
        """Every user of any day, all in one segment."""
        names = pl.concat([extract.transactions for extract in self._days.values()])["user_id"]
        return pl.DataFrame(
            {"user_id": names.unique().sort(), "segment": "all", "joined_at": NOON},
            schema=USER_SCHEMA,
        )


def one_day(rows: pl.DataFrame, **extract: Any) -> TableSource:
    """Return a source of one day with these rows."""
    return TableSource({DAY: Extract(rows, labels_of(rows), **extract)})
