from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.contracts import keys


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_a_partition_tells_its_day(day: date) -> None:
    """The day of a partition can be read back from its key, and keys sort as days do."""
    key = keys.partition(keys.RAW_TRANSACTIONS, day)
    assert keys.partition_day(key) == day
    assert keys.partitions([key], keys.RAW_TRANSACTIONS) == {day: key}
    assert keys.partition_day(keys.raw_manifest(day)) == day
    assert (key < keys.partition(keys.RAW_TRANSACTIONS, date(2024, 1, 1))) == (
        day < date(2024, 1, 1)
    )


@pytest.mark.parametrize("rest", [".json.bak", ".json/x", "/part-0.parquet.tmp", "T00.json", ""])
def test_a_key_that_goes_on_has_no_day(rest: str) -> None:
    """A manifest or a partition with something behind its name is neither."""
    assert keys.partition_day(f"{keys.RAW_MANIFESTS}/date=2024-03-01{rest}") is None


def test_a_bundle_prefix_has_a_boundary() -> None:
    """The prefix of one digest is no prefix of another bundle's files."""
    assert not keys.bundle_prefix("fraud", "sha256-12").startswith(
        keys.bundle_prefix("fraud", "sha256-1")
    )


def test_prediction_objects_sort_by_their_sequence() -> None:
    """Objects of one writer sort in the order in which they were written."""
    day = date(2024, 1, 1)
    names = [keys.predictions("fraud", day, "w", number) for number in (2, 10, 100)]
    assert names == sorted(names)


@pytest.mark.parametrize(
    "key",
    [
        "raw/transactions/readme.txt",
        "raw/transactions/date=nonsense/x.parquet",
        "raw/transactions/date=2024-02-30/part-0.parquet",
        "raw/transactions/date=2024-03-01/part-1.parquet",
        "raw/transactions/date=2024-03-01/date=2024-03-02/part-0.parquet",
        "raw/transactions/old/date=2024-03-01/part-0.parquet",
        "raw/transactions-old/date=2024-03-01/part-0.parquet",
        "",
    ],
)
def test_a_foreign_key_is_no_partition(key: str) -> None:
    """A key that somebody else left below or beside a folder belongs to none of its days."""
    own = keys.partition(keys.RAW_TRANSACTIONS, date(2024, 3, 2))
    assert keys.partitions([key, own], keys.RAW_TRANSACTIONS) == {date(2024, 3, 2): own}
