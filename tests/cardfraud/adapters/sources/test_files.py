import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from cardfraud.adapters.sources import Columns, DailyFiles, MappedTable, Mapping, handbook
from cardfraud.adapters.sources.mapping import HANDBOOK
from cardfraud.adapters.sources.tables import read_table
from cardfraud.contracts.sources import Source
from cardfraud.errors import InvalidFrame, NotFound

FIRST = date(2018, 4, 1)


def handbook_day(day: date, start: int = 0, count: int = 3) -> pl.DataFrame:
    """Return a day in the handbook's schema."""
    noon = datetime(day.year, day.month, day.day, 12)  # noqa: DTZ001 (the handbook's are naive)
    return pl.DataFrame(
        {
            "TRANSACTION_ID": range(start, start + count),
            "TX_DATETIME": [noon + timedelta(seconds=n) for n in range(count)],
            "CUSTOMER_ID": range(count),
            "TERMINAL_ID": range(100, 100 + count),
            "TX_AMOUNT": [57.16 + n for n in range(count)],
            "TX_FRAUD": [n % 2 for n in range(count)],
        }
    ).with_columns(pl.col("TX_DATETIME").cast(pl.Datetime("ns")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two days in the handbook's schema."""
    for number in range(2):
        day = FIRST + timedelta(days=number)
        handbook_day(day, 3 * number).write_parquet(tmp_path / f"{day}.parquet")
    (tmp_path / "README.txt").write_text("not a table")
    return tmp_path


def test_a_day_of_the_handbook(folder: Path) -> None:
    """A file a day becomes a day of transactions and of labels for all of them."""
    source = handbook(folder)
    assert source.name == "handbook"
    assert source.days() == [FIRST, FIRST + timedelta(days=1)]
    extract = source.read(FIRST)
    assert extract.transactions.row(0) == (
        "0",
        datetime(2018, 4, 1, 12, tzinfo=UTC),
        "0",
        "100",
        5_716,
        "EUR",
        "new",
    )
    assert extract.labels["is_fraud"].to_list() == [False, True, False]
    assert extract.labels["reported_at"][0] == datetime(2018, 4, 8, 12, tzinfo=UTC)


def test_rows_of_another_day_are_set_aside(folder: Path) -> None:
    """A row of the next day in a day's file is a reject, and its label goes with it."""
    stray = handbook_day(FIRST + timedelta(days=1), 9, 1)
    pl.concat([handbook_day(FIRST), stray]).write_parquet(folder / f"{FIRST}.parquet")
    extract = handbook(folder).read(FIRST)
    assert extract.transactions["transaction_id"].to_list() == ["0", "1", "2"]
    assert extract.labels["transaction_id"].to_list() == ["0", "1", "2"]
    assert extract.rejects is not None
    assert extract.rejects["transaction_id"].to_list() == ["9"]
    assert "not on the day" in extract.rejects["reason"].item()


def test_a_day_without_a_file_is_named(folder: Path) -> None:
    """A day that has no file isn't found, and its date is told."""
    with pytest.raises(NotFound, match="2018-04-09"):
        handbook(folder).read(date(2018, 4, 9))


def cut(path: Path) -> None:
    """Cut a file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def swap(path: Path) -> None:
    """Replace a file by text."""
    path.write_text("TRANSACTION_ID,TX_DATETIME\n1,now\n")


def empty(path: Path) -> None:
    """Replace a file by nothing."""
    path.write_bytes(b"")


def no_rows(path: Path) -> None:
    """Replace a file by one with columns and no rows."""
    handbook_day(FIRST, 0, 0).write_parquet(path)


def without(column: str) -> Callable[[Path], None]:
    """Replace a file by one that lacks a column."""
    return lambda path: handbook_day(FIRST).drop(column).write_parquet(path)


def retyped(column: str) -> Callable[[Path], None]:
    """Replace a file by one whose column holds lists."""
    return lambda path: handbook_day(FIRST).with_columns(pl.concat_list(column)).write_parquet(path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut, "cannot be read"),
        (swap, "cannot be read"),
        (empty, "is empty"),
        (no_rows, "has no rows"),
        (without("TX_AMOUNT"), "columns missing: TX_AMOUNT"),
        (retyped("TX_DATETIME"), "column TX_DATETIME"),
        (retyped("CUSTOMER_ID"), "column CUSTOMER_ID"),
    ],
)
def test_an_unusable_file_is_named(
    folder: Path, damage: Callable[[Path], None], reason: str
) -> None:
    """A file that is cut off, empty, of another kind or schema is named with what is wrong."""
    damage(folder / f"{FIRST}.parquet")
    source = DailyFiles(folder, HANDBOOK)
    with pytest.raises(InvalidFrame, match=rf"2018-04-01\.parquet: .*{reason}"):
        source.read(FIRST)


@pytest.mark.parametrize("second", ["2018-04-01-part2.parquet", "2018-04-01.csv"])
def test_a_day_in_two_files_is_refused(folder: Path, second: str) -> None:
    """Two files of one day are refused by both names: neither is left out in silence."""
    handbook_day(FIRST, 6).write_parquet(folder / second)
    with pytest.raises(InvalidFrame, match="both of 2018-04-01") as caught:
        handbook(folder)
    assert "2018-04-01.parquet" in caught.value.message
    assert second in caught.value.message


def test_a_damaged_file_is_read_or_named(folder: Path) -> None:
    """Bytes changed anywhere, 600 times: a table comes out, or an error that has the file's name.

    Some of these damages make the decoder panic, which no ``except Exception`` would catch.
    """
    path = folder / f"{FIRST}.parquet"
    handbook_day(FIRST, 0, 50).write_parquet(path)
    whole = path.read_bytes()
    chance = random.Random(1)
    named: list[str] = []
    for _ in range(600):
        damaged = bytearray(whole)
        for place in chance.choices(range(len(whole)), k=chance.choice([1, 1, 2, 8])):
            damaged[place] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            assert read_table(path).width > 0
        except InvalidFrame as error:
            named.append(error.message)
    assert len(named) > 100
    assert {message.split(": ")[0] for message in named} == {path.name}


def test_a_folder_without_days_is_named(tmp_path: Path) -> None:
    """A folder that isn't there, or has no file with a day for a name, is named."""
    with pytest.raises(NotFound, match="nowhere"):
        handbook(tmp_path / "nowhere")
    (tmp_path / "2018-13-45.parquet").write_bytes(b"x")
    with pytest.raises(InvalidFrame, match="no file YYYY-MM-DD"):
        handbook(tmp_path)


SHOP = Mapping(
    columns=Columns(
        transaction_id="id",
        event_time="at",
        user_id="card",
        merchant_id="shop",
        amount="value",
        is_fraud="fraud",
    ),
    zone="Europe/Zurich",
    currency="CHF",
)
CSV = """at,value,card,id,shop,fraud,note
2024-03-01 00:30:00,12.50,c1,t1,s1,0,first
2024-03-01 12:00:00,7.25,c2,t2,s1,1,
,1.00,c2,t3,s1,0,no time
2024-03-02 12:00:00,cheap,c1,t4,s2,0,no amount
2024-03-02 13:00:00,3.00,c1,t5,s2,,not known yet
"""


@pytest.fixture
def shop(tmp_path: Path) -> Source:
    """Return a source of that CSV."""
    path = tmp_path / "shop.csv"
    path.write_text(CSV)
    return MappedTable(path, SHOP)


def test_any_csv_becomes_days_in_utc(shop: Source) -> None:
    """Half past midnight in Zurich belongs to the UTC day before."""
    assert shop.days() == [date(2024, 2, 29), date(2024, 3, 1), date(2024, 3, 2)]
    first = shop.read(date(2024, 2, 29))
    assert first.transactions["transaction_id"].to_list() == ["t1"]
    assert first.transactions["currency"].to_list() == ["CHF"]
    assert first.ignored_columns == ("note",)
    assert shop.users()["user_id"].to_list() == ["c1", "c2"]


def test_nothing_of_a_table_is_lost(shop: Source) -> None:
    """Every row of a file is a transaction or a reject of exactly one day."""
    extracts = [shop.read(day) for day in shop.days()]
    rows = [row for e in extracts for row in e.transactions["transaction_id"]]
    rejects = [
        row for e in extracts if e.rejects is not None for row in e.rejects["transaction_id"]
    ]
    assert sorted(rows + rejects) == ["t1", "t2", "t3", "t4", "t5"]
    assert sorted(rejects) == ["t3", "t4"]
    labels = [row for e in extracts for row in e.labels["transaction_id"]]
    assert sorted(labels) == ["t1", "t2"]


def test_a_day_of_nothing_but_rejects_is_a_day(tmp_path: Path) -> None:
    """A day without a single usable row is there, empty, and has its rejects."""
    path = tmp_path / "rows.csv"
    path.write_text(
        "id,at,card,shop,value,fraud\n"
        "t1,2024-03-01T12:00:00,c1,s1,1.00,0\n"
        "t2,2024-03-02T12:00:00,c1,s1,one,0\n"
        "t3,,c1,s1,1.00,0\n"
    )
    source = MappedTable(path, SHOP)
    assert source.days() == [date(2024, 3, 1), date(2024, 3, 2)]
    first, second = (source.read(day) for day in source.days())
    assert second.transactions.is_empty()
    assert second.transactions.schema == first.transactions.schema
    assert first.rejects is not None
    assert second.rejects is not None
    assert first.rejects["transaction_id"].to_list() == ["t3"]
    assert second.rejects["transaction_id"].to_list() == ["t2"]


def test_a_folder_of_files_is_one_table(tmp_path: Path) -> None:
    """CSV and Parquet files of one schema in one folder are read as one table."""
    lines = CSV.splitlines()
    (tmp_path / "a.csv").write_text("\n".join(lines[:2]))
    half = pl.read_csv("\n".join([lines[0], lines[2]]).encode(), infer_schema=False)
    half.write_parquet(tmp_path / "b.parquet")
    source = MappedTable(tmp_path, SHOP)
    rows = [source.read(day).transactions["transaction_id"].item() for day in source.days()]
    assert rows == ["t1", "t2"]


@pytest.mark.parametrize("name", ["rows.xlsx", "rows"])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    """A file that is neither CSV nor Parquet is refused, and so is one that isn't there."""
    with pytest.raises(NotFound):
        MappedTable(tmp_path / name, SHOP)
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InvalidFrame, match="no Parquet or CSV"):
        MappedTable(tmp_path / name, SHOP)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00bad", b"id,at\n1,2,3,4\n", b"\n\n"])
def test_a_csv_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no CSV of the schema give an error with the file's name."""
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidFrame, match=r"bad\.csv"):
        MappedTable(path, SHOP).days()


@pytest.mark.handbook
def test_a_real_day_of_the_handbook(handbook: Path) -> None:
    """The first real day has 9,488 transactions, all labelled, and three of them are frauds."""
    source = DailyFiles(handbook, HANDBOOK, name="handbook")
    extract = source.read(FIRST)
    raw = pl.read_parquet(handbook / f"{FIRST}.parquet")
    assert len(extract.transactions) == len(extract.labels) == len(raw) == 9_488
    assert extract.labels["is_fraud"].sum() == raw["TX_FRAUD"].sum()
    cents = (raw["TX_AMOUNT"] * 100).round().cast(pl.Int64)
    assert extract.transactions["amount_minor"].to_list() == cents.to_list()
