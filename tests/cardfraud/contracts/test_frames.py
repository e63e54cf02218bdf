import polars as pl
import pytest

from cardfraud.contracts.frames import LABEL_SCHEMA, TRANSACTION_SCHEMA, require_schema
from cardfraud.errors import InvalidFrame
from tests.support.transactions import labels_of, transactions


def test_canonical_tables_pass() -> None:
    """Tables with exactly the canonical columns pass, whatever the order of the columns."""
    rows = transactions([{}, {}])
    require_schema(rows, TRANSACTION_SCHEMA, "rows")
    require_schema(rows.select(reversed(rows.columns)), TRANSACTION_SCHEMA, "rows")
    require_schema(labels_of(rows), LABEL_SCHEMA, "labels")


def test_every_fault_is_named() -> None:
    """A missing, an unknown and a wrongly typed column are named in one error."""
    rows = (
        transactions([{}])
        .drop("currency")
        .with_columns(colour=pl.lit("red"), amount_minor=pl.lit(1.5))
    )
    with pytest.raises(InvalidFrame) as caught:
        require_schema(rows, TRANSACTION_SCHEMA, "raw rows")
    message = caught.value.message
    assert "raw rows" in message
    assert "column currency is missing" in message
    assert "column colour is unknown" in message
    assert "column amount_minor is Float64 instead of Int64" in message


@pytest.mark.parametrize("dtype", [pl.Datetime("ns", "UTC"), pl.Datetime("us")])
def test_times_are_microseconds_in_utc(dtype: pl.Datetime) -> None:
    """Nanoseconds, or times without a zone, are another type."""
    rows = transactions([{}])
    naive = pl.col("event_time").dt.replace_time_zone(dtype.time_zone).cast(dtype)
    with pytest.raises(InvalidFrame, match="event_time"):
        require_schema(rows.with_columns(naive), TRANSACTION_SCHEMA, "rows")
