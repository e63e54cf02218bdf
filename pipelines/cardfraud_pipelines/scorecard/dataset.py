"""Transactions in the handbook's schema, as flat arrays in the order of time."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cardfraud.errors import InvalidFrame

COLUMNS = ("TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD")
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Dataset:
    """``N`` transactions, sorted by time, then by transaction number.

    Attributes:
        transaction: ``[N]`` transaction numbers.
        second: ``[N]`` seconds since the Unix epoch, UTC.
        customer: ``[N]`` customer numbers; a customer has one card.
        terminal: ``[N]`` terminal numbers.
        amount: ``[N]`` amounts in major units.
        fraud: ``[N]`` labels.
    """

    transaction: NDArray[np.int64]
    second: NDArray[np.int64]
    customer: NDArray[np.int64]
    terminal: NDArray[np.int64]
    amount: NDArray[np.float64]
    fraud: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of transactions."""
        return len(self.second)

    @property
    def day(self) -> NDArray[np.int64]:
        """Days since the Unix epoch, ``[N]``."""
        return self.second // SECONDS_PER_DAY


def read_dataset(data_dir: Path, *, end: date) -> Dataset:
    """Read every transaction before ``end`` from a folder of Parquet files, one a day.

    Files are named ``YYYY-MM-DD.parquet``; those of later days are not opened, so nothing that
    happens on or after ``end`` can reach a feature.

    Raises:
        InvalidFrame: the folder has no such file, a day between the first and ``end`` is missing,
            a file cannot be read, or a column is missing or has nulls.
    """
    paths = {path.stem: path for path in sorted(data_dir.glob("????-??-??.parquet"))}
    wanted = sorted(stem for stem in paths if stem < end.isoformat())
    if not wanted:
        raise InvalidFrame(str(data_dir), f"no file YYYY-MM-DD.parquet of a day before {end}")
    _refuse_gaps(data_dir, wanted, end)
    frame = pl.concat([_read_day(paths[stem]) for stem in wanted])
    frame = frame.sort("TX_DATETIME", "TRANSACTION_ID")
    return Dataset(
        transaction=frame["TRANSACTION_ID"].cast(pl.Int64).to_numpy(),
        second=frame["TX_DATETIME"].dt.epoch("s").to_numpy(),
        customer=frame["CUSTOMER_ID"].cast(pl.Int64).to_numpy(),
        terminal=frame["TERMINAL_ID"].cast(pl.Int64).to_numpy(),
        amount=frame["TX_AMOUNT"].cast(pl.Float64).to_numpy(),
        fraud=frame["TX_FRAUD"].cast(pl.Int8).to_numpy() == 1,
    )


def _read_day(path: Path) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InvalidFrame(path.name, f"cannot be read: {error}") from error
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise InvalidFrame(path.name, f"columns missing: {', '.join(missing)}")
    frame = frame.select(COLUMNS)
    texts = [n for n in COLUMNS if n != "TX_DATETIME" and not frame[n].dtype.is_numeric()]
    if texts:
        raise InvalidFrame(path.name, f"columns that hold no numbers: {', '.join(texts)}")
    if not isinstance(frame["TX_DATETIME"].dtype, pl.Datetime):
        raise InvalidFrame(path.name, "TX_DATETIME holds no timestamps")
    nulls = [name for name in COLUMNS if frame[name].null_count()]
    if nulls:
        raise InvalidFrame(path.name, f"columns with nulls: {', '.join(nulls)}")
    return frame


def _refuse_gaps(data_dir: Path, stems: list[str], end: date) -> None:
    day = date.fromisoformat(stems[0])
    present = set(stems)
    while day < end:
        if day.isoformat() not in present:
            raise InvalidFrame(str(data_dir), f"the file of {day} is missing")
        day += timedelta(days=1)
