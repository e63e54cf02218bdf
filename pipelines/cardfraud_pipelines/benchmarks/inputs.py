"""Transactions to measure with: made here, or a folder in the handbook's schema."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from cardfraud.contracts.labels import LABEL_DELAY
from cardfraud.errors import InvalidFrame

ROWS: Final = 1_750_000
USERS: Final = 5_000
MERCHANTS: Final = 10_000
DAYS: Final = 183
FRAUD_SHARE: Final = 0.008
FIRST_DAY_US: Final = 1_522_540_800_000_000
"""2018-04-01T00:00Z, the first day of the handbook's own table."""
_DAY_US: Final = 86_400_000_000


def made_transactions(
    rows: int = ROWS, *, users: int = USERS, merchants: int = MERCHANTS, seed: int = 0
) -> pl.DataFrame:
    """Transactions at random times, sorted by time; a column ``is_fraud`` beside the contract's.

    Times differ by at least a microsecond, so that "before" is the same for every method. Some
    users pay far more often than others: the shares follow a gamma distribution of shape 2.
    """
    random = np.random.default_rng(seed)
    span = DAYS * _DAY_US - rows
    time_us = FIRST_DAY_US + np.sort(random.integers(0, span, rows)) + np.arange(rows)
    share = random.gamma(2.0, size=users)
    return pl.DataFrame(
        {
            "transaction": np.arange(rows),
            "time_us": time_us,
            "user": random.choice(users, rows, p=share / share.sum()),
            "merchant": random.integers(0, merchants, rows),
            "amount_minor": np.maximum(1, random.gamma(2.0, 3000.0, rows)).astype(np.int64),
            "is_fraud": random.random(rows) < FRAUD_SHARE,
        }
    ).select(
        transaction_id=pl.format("t{}", pl.col("transaction").cast(pl.String).str.zfill(9)),
        event_time=pl.col("time_us").cast(pl.Datetime("us", "UTC")),
        user_id=pl.format("u{}", pl.col("user")),
        merchant_id=pl.format("m{}", pl.col("merchant")),
        amount_minor="amount_minor",
        is_fraud="is_fraud",
    )


def handbook_transactions(folder: Path) -> pl.DataFrame:
    """Read every transaction of a folder in the handbook's schema, columns as above.

    Raises:
        InvalidFrame: there is no file ``YYYY-MM-DD.parquet``, or one cannot be read.
    """
    paths = sorted(folder.glob("????-??-??.parquet"))
    if not paths:
        raise InvalidFrame(str(folder), "no file YYYY-MM-DD.parquet")
    try:
        frame = pl.read_parquet(paths)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InvalidFrame(str(folder), f"cannot be read: {error}") from error
    return frame.select(
        transaction_id=pl.col("TRANSACTION_ID").cast(pl.String),
        event_time=pl.col("TX_DATETIME").dt.cast_time_unit("us").dt.replace_time_zone("UTC"),
        user_id=pl.col("CUSTOMER_ID").cast(pl.String),
        merchant_id=pl.col("TERMINAL_ID").cast(pl.String),
        amount_minor=(pl.col("TX_AMOUNT") * 100).round().cast(pl.Int64),
        is_fraud=pl.col("TX_FRAUD") == 1,
    ).sort("event_time", "transaction_id")


def labels_of(transactions: pl.DataFrame) -> pl.DataFrame:
    """One label for each fraud, reported when the label delay has passed."""
    return transactions.filter("is_fraud").select(
        "transaction_id",
        is_fraud=pl.lit(value=True),
        reported_at=pl.col("event_time") + LABEL_DELAY,
        revision=pl.lit(0, dtype=pl.Int32),
    )
