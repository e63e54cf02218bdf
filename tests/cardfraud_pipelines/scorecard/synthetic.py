"""A small season of transactions in the handbook's schema, with frauds that can be learnt."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

START = date(2020, 3, 1)
PER_DAY = 300
CUSTOMERS = 150
TERMINALS = 60


def season(days: int, seed: int = 0) -> pl.DataFrame:
    """Draw ``days`` days: terminals 0 to 3 are compromised throughout, so are large amounts."""
    rng = np.random.default_rng(seed)
    count = days * PER_DAY
    second = np.sort(rng.integers(0, days * 86_400, count))
    amount = np.round(rng.gamma(2.0, 25.0, count), 2)
    terminal = rng.integers(0, TERMINALS, count)
    fraud = ((terminal < 4) & (rng.random(count) < 0.5)) | (amount > 220)
    epoch = datetime(START.year, START.month, START.day, tzinfo=UTC).timestamp()
    return pl.DataFrame(
        {
            "TRANSACTION_ID": np.arange(count),
            "TX_DATETIME": pl.Series((second + int(epoch)) * 1_000_000).cast(pl.Datetime("us")),
            "CUSTOMER_ID": rng.integers(0, CUSTOMERS, count).astype(np.int32),
            "TERMINAL_ID": terminal.astype(np.int32),
            "TX_AMOUNT": amount,
            "TX_FRAUD": fraud.astype(np.int8),
        }
    )


def write_days(frame: pl.DataFrame, folder: Path) -> None:
    """Write one file a day."""
    folder.mkdir(parents=True, exist_ok=True)
    for (day,), rows in frame.group_by(pl.col("TX_DATETIME").dt.date()):
        rows.sort("TRANSACTION_ID").write_parquet(folder / f"{day}.parquet")


def day(offset: int) -> date:
    """The date of a day of the season, from 0."""
    return START + timedelta(days=offset)
