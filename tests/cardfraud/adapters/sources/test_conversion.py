from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.adapters.sources import Columns, Mapping
from cardfraud.adapters.sources.conversion import Converted, convert
from cardfraud.contracts.frames import TRANSACTION_SCHEMA, require_schema
from cardfraud.errors import InvalidFrame

COLUMNS = Columns(
    transaction_id="id", event_time="at", user_id="card", merchant_id="shop", amount="value"
)
MAPPING = Mapping(columns=COLUMNS)
NOON = datetime(2024, 3, 1, 12)  # noqa: DTZ001 (a source's naive time)


def table(**columns: Any) -> pl.DataFrame:
    """Return a source's table of two rows with some columns replaced or added."""
    good: dict[str, Any] = {
        "id": ["a", "b"],
        "at": [NOON, NOON + timedelta(hours=1)],
        "card": [1, 2],
        "shop": ["s", "s"],
        "value": [1.25, 57.16],
    }
    return pl.DataFrame(good | columns)


def converted(mapping: Mapping = MAPPING, /, **columns: Any) -> Converted:
    """Convert such a table."""
    return convert(table(**columns), mapping, "rows.csv")


def mapped(**changes: Any) -> Mapping:
    """Return the mapping with changes; names of columns are added to the others."""
    names = {key: changes.pop(key) for key in list(changes) if key in Columns.model_fields}
    columns = Columns.model_validate(COLUMNS.model_dump() | names)
    return MAPPING.model_copy(update={"columns": columns, **changes})


def test_columns_are_found_by_name() -> None:
    """The order of the source's columns doesn't matter, and unmapped ones are told."""
    source = table(colour=["red", "blue"])
    forwards = convert(source, MAPPING, "f")
    backwards = convert(source.select(reversed(source.columns)), MAPPING, "f")
    require_schema(forwards.transactions, TRANSACTION_SCHEMA, "rows")
    assert forwards.transactions.equals(backwards.transactions)
    assert forwards.ignored_columns == ("colour",)
    assert forwards.transactions["amount_minor"].to_list() == [125, 5_716]
    assert forwards.transactions["user_id"].to_list() == ["1", "2"]
    assert forwards.transactions["currency"].to_list() == ["EUR", "EUR"]


def test_missing_columns_are_all_named() -> None:
    """Every missing column is named, and so are those that are there."""
    with pytest.raises(InvalidFrame, match=r"rows\.csv: columns missing: at, value") as caught:
        convert(table().drop("at", "value"), MAPPING, "rows.csv")
    assert "id, card, shop" in caught.value.hint


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("id", [1.5, 2.5]),
        ("card", [[1], [2]]),
        ("at", [1.5, 2.5]),
        ("at", [1_700_000_000, 1_700_000_001]),
        ("value", [True, False]),
        ("value", [NOON, NOON]),
    ],
)
def test_a_wrong_type_names_file_and_column(column: str, cells: list[Any]) -> None:
    """A column of a type that can't be meant is refused by file, column and type."""
    with pytest.raises(InvalidFrame, match=rf"rows\.csv: column {column}: .* instead of"):
        converted(**{column: cells})


@pytest.mark.parametrize(
    ("column", "cells"), [("at", ["soon", "later"]), ("value", ["cheap", "dear"])]
)
def test_a_column_of_other_texts_is_refused(column: str, cells: list[str]) -> None:
    """A column of which no cell can be read is refused with one of its cells."""
    with pytest.raises(InvalidFrame, match=rf"column {column}: no cell can be used: '{cells[0]}'"):
        converted(**{column: cells})


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1.005, 1e300])
def test_an_amount_that_is_no_amount_is_set_aside(bad: float) -> None:
    """A row whose amount isn't finite or has three decimals is a reject with its cell."""
    result = converted(value=[1.25, bad])
    assert result.transactions["transaction_id"].to_list() == ["a"]
    assert result.rejects.select("row", "transaction_id").rows() == [(1, "b")]
    assert result.rejects["reason"].item().startswith("amount: not a finite number")
    assert result.rejects["detail"].item().startswith("value=")


def test_one_unreadable_text_is_set_aside() -> None:
    """One cell among good ones that is no time or no number costs its row only."""
    times = converted(at=["2024-03-01T12:00:00Z", "soon"])
    assert times.rejects["reason"].to_list() == ["event_time: not a time"]
    assert times.rejects["detail"].to_list() == ["at=soon"]
    both = converted(at=["2024-03-01T12:00:00Z", None], value=["1", "cheap"])
    assert both.rejects["reason"].item().count(";") == 1
    assert both.transactions["transaction_id"].to_list() == ["a"]


def test_what_can_be_expressed_is_left_to_the_validation() -> None:
    """A negative amount, an empty one or a missing identifier is kept as it is."""
    rows = converted(value=[-1.0, None], card=[None, 2]).transactions
    assert rows["amount_minor"].to_list() == [-100, None]
    assert rows["user_id"].to_list() == [None, "2"]


@given(st.lists(st.integers(0, 100_000_000), min_size=1, max_size=20))
def test_cents_are_exact(cents: list[int]) -> None:
    """Whole cents come out exactly from floats, texts, decimals and minor units."""
    count = len(cents)
    source = table().head(1).select(pl.all().repeat_by(count).explode())
    floats = pl.Series("value", [amount / 100 for amount in cents])
    minor = MAPPING.model_copy(update={"amount_unit": "minor"})
    for column, mapping in (
        (floats, MAPPING),
        (floats.cast(pl.String), MAPPING),
        (floats.cast(pl.Decimal(18, 2)), MAPPING),
        (pl.Series("value", cents), minor),
    ):
        rows = convert(source.with_columns(column), mapping, "f").transactions
        assert rows["amount_minor"].to_list() == cents


def test_single_precision_is_read_as_it_was_written() -> None:
    """A float32 of 0.1 is ten cents and not a number with too many decimals."""
    cells = pl.Series([0.1, 19.99], dtype=pl.Float32)
    assert converted(value=cells).transactions["amount_minor"].to_list() == [10, 1_999]


def test_naive_times_are_of_the_mappings_zone() -> None:
    """Noon in Zurich is eleven in UTC in winter and ten in summer, as text or as timestamp."""
    summer = datetime(2024, 7, 1, 12)  # noqa: DTZ001
    expected = [datetime(2024, 3, 1, 11, tzinfo=UTC), datetime(2024, 7, 1, 10, tzinfo=UTC)]
    zurich = mapped(zone="Europe/Zurich")
    for cells in ([NOON, summer], [str(NOON), summer.isoformat()]):
        assert converted(zurich, at=cells).transactions["event_time"].to_list() == expected


def test_an_offset_beats_the_zone() -> None:
    """A text with an offset means that offset, beside one without."""
    cells = ["2024-03-01T12:00:00+02:00", "2024-03-01 12:00:00.5"]
    times = converted(mapped(zone="Europe/Zurich"), at=cells).transactions["event_time"]
    assert times.to_list() == [
        datetime(2024, 3, 1, 10, tzinfo=UTC),
        datetime(2024, 3, 1, 11, 0, 0, 500_000, tzinfo=UTC),
    ]


FINE = "2024-03-01T12:00:00.123456789Z"
NANOSECONDS = pl.Series("at", [1_709_294_400_123_456_789, 1_709_294_400_123_456_000])


@pytest.mark.parametrize(
    "cells",
    [
        [FINE, "2024-03-01T12:00:00.123456000Z"],
        [FINE.removesuffix("Z"), "2024-03-01 12:00:00.1234560"],
        NANOSECONDS.cast(pl.Datetime("ns")),
        NANOSECONDS.cast(pl.Datetime("ns", "UTC")),
    ],
    ids=["offset", "naive", "nanoseconds", "nanoseconds-utc"],
)
def test_a_time_finer_than_microseconds_is_set_aside(cells: Any) -> None:
    """A row whose time would lose digits is a reject of its day; zeros beyond cost nothing."""
    result = converted(mapped(is_fraud="fraud"), at=cells, fraud=[0, 1])
    moment = datetime(2024, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
    assert result.transactions.select("transaction_id", "event_time").rows() == [("b", moment)]
    assert result.labels["transaction_id"].to_list() == ["b"]
    rejects = result.rejects.select("row", "transaction_id", "reason", "event_time")
    assert rejects.rows() == [(0, "a", "event_time: finer than microseconds", moment)]
    assert result.rejects["detail"].item().startswith("at=2024-03-01")
    assert "12:00:00.123456789" in result.rejects["detail"].item()


def test_a_report_finer_than_microseconds_is_named() -> None:
    """A label's time that would lose digits makes the file unusable, as one that is none does."""
    mapping = mapped(is_fraud="fraud", reported_at="told")
    with pytest.raises(InvalidFrame, match=r"column told: finer than microseconds: told=2024"):
        converted(mapping, fraud=[0, 1], told=[FINE, FINE])
    with pytest.raises(InvalidFrame, match=r"column told: not a time: told=soon"):
        converted(mapping, fraud=[0, 1], told=["2024-03-01T12:00:00Z", "soon"])


def test_a_clock_that_jumps() -> None:
    """A time that the clock skipped is set aside; of one that came twice the earlier is meant."""
    cells = ["2024-03-31T02:30:00", "2024-10-27T02:30:00"]
    result = converted(mapped(zone="Europe/Zurich"), at=cells)
    assert result.rejects["transaction_id"].to_list() == ["a"]
    assert result.transactions["event_time"].to_list() == [
        datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    ]


def test_integers_need_their_unit() -> None:
    """Integer times are read when the mapping names their unit."""
    cells = [1_709_294_400, 1_709_294_401]
    times = converted(mapped(epoch_unit="s"), at=cells).transactions["event_time"]
    assert times[0] == datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("cells", [[0, 1], [False, True], ["0", "1"], ["no", "YES"], [0.0, 1.0]])
def test_labels_are_known_a_week_later(cells: list[Any]) -> None:
    """Flags in every usual form become labels of all rows, reported after the delay."""
    result = converted(mapped(is_fraud="fraud"), fraud=cells)
    assert result.labels["is_fraud"].to_list() == [False, True]
    delays = result.labels["reported_at"] - result.transactions["event_time"]
    assert delays.to_list() == [timedelta(days=7)] * 2
    assert result.labels["revision"].to_list() == [0, 0]


def test_an_empty_flag_is_no_label() -> None:
    """A row whose flag is empty has no label, and a told time of report is taken."""
    told = NOON + timedelta(days=3)
    mapping = mapped(is_fraud="fraud", reported_at="told")
    result = converted(mapping, fraud=[None, 1], told=[told, told])
    assert result.labels["transaction_id"].to_list() == ["b"]
    assert result.labels["reported_at"].to_list() == [told.replace(tzinfo=UTC)]


def test_an_unknown_flag_is_refused() -> None:
    """A flag that is neither true nor false is refused with file, column and cell."""
    with pytest.raises(InvalidFrame, match=r"rows\.csv: column fraud: 2 is neither"):
        converted(mapped(is_fraud="fraud"), fraud=[0, 2])


def test_currency_and_segment_are_taken_where_they_are() -> None:
    """A currency column is taken, an empty cell means the mapping's; a segment column too."""
    mapping = mapped(currency="CHF").model_copy(
        update={"columns": Columns(**COLUMNS.model_dump() | {"currency": "cur", "segment": "seg"})}
    )
    rows = converted(mapping, cur=["USD", None], seg=["gold", None]).transactions
    assert rows["currency"].to_list()[0] == "USD"
    assert rows["segment"].to_list() == ["gold", None]


def test_a_mapping_file_is_yaml_or_json(tmp_path: Path) -> None:
    """The same mapping as YAML and as JSON is the same mapping."""
    from cardfraud.adapters.sources import load_mapping

    as_json = tmp_path / "mapping.json"
    as_json.write_text(MAPPING.model_dump_json())
    as_yaml = tmp_path / "mapping.yaml"
    as_yaml.write_text(
        "columns:\n  transaction_id: id\n  event_time: at\n  user_id: card\n"
        "  merchant_id: shop\n  amount: value\n"
    )
    assert load_mapping(as_json) == load_mapping(as_yaml) == MAPPING


@pytest.mark.parametrize("cell", [18446744073709 + 1522540800, 2**60, -(2**63), 2**63])
def test_seconds_too_many_for_a_time_are_set_aside(cell: int) -> None:
    """A number that would come round to another time when it is multiplied is no time."""
    dtype = pl.UInt64 if cell >= 2**63 else pl.Int64
    cells = pl.Series([1522540800, cell], dtype=dtype)
    result = converted(mapped(epoch_unit="s"), at=cells)
    assert result.transactions["event_time"].to_list() == [datetime(2018, 4, 1, tzinfo=UTC)]
    assert result.rejects["reason"].to_list() == ["event_time: not a time"]
