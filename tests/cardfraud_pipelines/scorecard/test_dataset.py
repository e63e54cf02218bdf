from pathlib import Path

import polars as pl
import pytest

from cardfraud.errors import InvalidFrame
from cardfraud_pipelines.scorecard.dataset import read_dataset
from tests.cardfraud_pipelines.scorecard.synthetic import day, season, write_days


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three days of data."""
    write_days(season(3), tmp_path)
    return tmp_path


def test_rows_come_in_the_order_of_time(folder: Path) -> None:
    """Rows are sorted by time, then number, whatever the order in the files."""
    path = folder / f"{day(0)}.parquet"
    pl.read_parquet(path).sort("TX_AMOUNT").write_parquet(path)
    data = read_dataset(folder, end=day(3))
    assert len(data) == season(3).height
    assert (data.second[1:] >= data.second[:-1]).all()
    assert data.transaction.tolist() == season(3)["TRANSACTION_ID"].to_list()


def test_files_of_later_days_are_not_even_opened(folder: Path) -> None:
    """A later file that is no Parquet at all does not matter."""
    (folder / f"{day(2)}.parquet").write_bytes(b"not a table")
    assert len(set(read_dataset(folder, end=day(2)).day)) == 2


def test_a_truncated_file_is_named(folder: Path) -> None:
    """Half a Parquet file is an error that names the file."""
    path = folder / f"{day(1)}.parquet"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InvalidFrame, match=f"{day(1)}"):
        read_dataset(folder, end=day(3))


def test_a_missing_day_is_named(folder: Path) -> None:
    """A gap in the days would pass for a quiet day, so it is an error."""
    (folder / f"{day(1)}.parquet").unlink()
    with pytest.raises(InvalidFrame, match=f"{day(1)} is missing"):
        read_dataset(folder, end=day(3))


def test_a_missing_last_day_is_named(folder: Path) -> None:
    """A test period that the data do not reach is an error."""
    with pytest.raises(InvalidFrame, match=f"{day(3)} is missing"):
        read_dataset(folder, end=day(4))


def test_a_missing_column_and_nulls_are_named(folder: Path) -> None:
    """A file without a column, or with nulls in one, is an error that names the column."""
    path = folder / f"{day(1)}.parquet"
    frame = pl.read_parquet(path)
    frame.drop("TX_AMOUNT").write_parquet(path)
    with pytest.raises(InvalidFrame, match="TX_AMOUNT"):
        read_dataset(folder, end=day(3))
    frame.with_columns(TX_FRAUD=pl.lit(None, dtype=pl.Int8)).write_parquet(path)
    with pytest.raises(InvalidFrame, match="TX_FRAUD"):
        read_dataset(folder, end=day(3))


@pytest.mark.parametrize(("column", "text"), [("CUSTOMER_ID", "u1"), ("TX_DATETIME", "yesterday")])
def test_a_column_of_another_type_is_named(column: str, text: str, folder: Path) -> None:
    """Texts where the schema has numbers or timestamps are an error that names the column."""
    path = folder / f"{day(1)}.parquet"
    pl.read_parquet(path).with_columns(pl.lit(text).alias(column)).write_parquet(path)
    with pytest.raises(InvalidFrame, match=column):
        read_dataset(folder, end=day(3))


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    """No file at all is said as such."""
    with pytest.raises(InvalidFrame, match="no file"):
        read_dataset(tmp_path, end=day(3))
