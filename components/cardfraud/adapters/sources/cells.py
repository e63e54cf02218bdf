"""Reading the cells of one column: identifiers, times, amounts, flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from cardfraud.adapters.sources.mapping import Mapping
from cardfraud.contracts.transactions import MINOR_UNITS
from cardfraud.errors import InvalidFrame

UTC_TIME: Final = pl.Datetime("us", "UTC")
_OFFSET: Final = r"(?:[Zz]|[+-]\d\d:?\d\d)$"
_ISO: Final = "%Y-%m-%dT%H:%M:%S%.f"
_TOO_FINE: Final = r"\.\d{6}\d*[1-9]"
_TOLERANCE: Final = 1e-6
"""In minor units. A source may have computed its amounts (57.16 * 5 is 285.79999999999995), so what
is this near to a whole cent is meant to be one; a single record's amount must be exact."""
_LARGEST: Final = 2.0**53
_MOST_US: Final = 2**62
_TRUE: Final = ("1", "true", "t", "yes", "y")
_FALSE: Final = ("0", "false", "f", "no", "n")


@dataclass(frozen=True, slots=True)
class Cells:
    """``N`` cells that were read.

    Attributes:
        values: ``[N]``, null where the cell is empty or cannot be read.
        reasons: ``[N]`` texts, null where the cell can be used.
        details: ``[N]`` ``column=cell``, null where the cell can be used.
    """

    values: pl.Series
    reasons: pl.Series
    details: pl.Series


def texts(column: pl.Series, file: str) -> pl.Series:
    """Texts, categories or integers as texts."""
    if not (column.dtype in {pl.String, pl.Categorical, pl.Enum} or column.dtype.is_integer()):
        raise _wrong_type(column, file, "texts or integers")
    return column.cast(pl.String)


def times(column: pl.Series, mapping: Mapping, file: str, *, optional: bool = False) -> Cells:
    """Times as microseconds in UTC; one that is finer than that has a reason, and its value is cut.

    Zeros below the microsecond are no fault, since nothing is lost with them.

    Raises:
        InvalidFrame: the column is of another type, or none of its cells is a time.
    """
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        values = _in_utc(column, mapping.zone) if dtype.time_zone is None else column.cast(UTC_TIME)
    elif dtype == pl.String:
        values = _parsed_times(column, mapping.zone)
    elif dtype.is_integer() and mapping.epoch_unit is not None:
        factor = {"s": 1_000_000, "ms": 1_000, "us": 1}[mapping.epoch_unit]
        # A number too large to be multiplied would come out as another time, in range perhaps.
        whole = column.cast(pl.Int64, strict=False)
        fits = whole.is_between(-(_MOST_US // factor), _MOST_US // factor)
        values = (whole.set(~fits, None) * factor).cast(UTC_TIME)
    else:
        raise _wrong_type(column, file, "timestamps or ISO 8601 texts")
    cells = _checked(column, values, "event_time: not a time", file, optional=optional)
    wrong = (_too_fine(column) & values.is_not_null()).fill_null(value=False)
    reason = pl.Series(["event_time: finer than microseconds"]).new_from_index(0, len(column))
    return Cells(
        values,
        reason.zip_with(wrong, cells.reasons),
        _details(column).zip_with(wrong, cells.details),
    )


def amounts(column: pl.Series, mapping: Mapping, file: str) -> Cells:
    """Amounts as integers of minor units.

    Raises:
        InvalidFrame: the column is of another type, or none of its cells is a number.
    """
    if column.dtype == pl.Float32:
        # The shortest decimal that gives this float32 is what was meant: 0.1, not 0.10000000149.
        numbers = column.cast(pl.String).cast(pl.Float64)
    elif column.dtype.is_numeric():
        numbers = column.cast(pl.Float64)
    elif column.dtype == pl.String:
        numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
    else:
        raise _wrong_type(column, file, "numbers")
    scaled = numbers * (MINOR_UNITS if mapping.amount_unit == "major" else 1)
    whole = scaled.round()
    usable = scaled.is_finite() & ((scaled - whole).abs() <= _TOLERANCE) & (scaled.abs() < _LARGEST)
    values = whole.set(~usable.fill_null(value=False), None).cast(pl.Int64)
    reason = "amount: not a finite number with at most two decimals"
    return _checked(column, values, reason, file)


def flags(column: pl.Series, file: str) -> pl.Series:
    """Booleans; null where the cell is empty.

    Raises:
        InvalidFrame: a cell is neither true nor false.
    """
    if column.dtype == pl.Boolean:
        return column
    if not (column.dtype == pl.String or column.dtype.is_numeric()):
        raise _wrong_type(column, file, "booleans, or 0 and 1")
    text = column.cast(pl.String).str.to_lowercase().str.strip_suffix(".0")
    known = text.is_in(_TRUE) | text.is_in(_FALSE)
    wrong = column.filter(~known.fill_null(value=True))
    if len(wrong):
        raise InvalidFrame(file, f"column {column.name}: {wrong[0]!r} is neither true nor false")
    return text.is_in(_TRUE)


def join_reasons(first: pl.Series, second: pl.Series) -> pl.Series:
    """Both texts, with a semicolon between; null where both are."""
    joined = pl.DataFrame({"a": first, "b": second}).select(
        pl.concat_str("a", "b", separator="; ", ignore_nulls=True)
    )
    text = joined.to_series()
    return text.set(text == "", None)


def _parsed_times(column: pl.Series, zone: str) -> pl.Series:
    text = column.str.strip_chars().str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T")
    offset = text.str.contains(_OFFSET)
    aware = text.str.replace(r"[Zz]$", "+0000").str.to_datetime(
        f"{_ISO}%z", time_unit="us", time_zone="UTC", strict=False
    )
    naive = text.str.to_datetime(_ISO, time_unit="us", strict=False)
    return aware.zip_with(offset.fill_null(value=False), _in_utc(naive, zone))


def _too_fine(column: pl.Series) -> pl.Series:
    """Tell of times which have something below the microsecond."""
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_unit == "ns":
        return column.to_physical() % 1_000 != 0
    if column.dtype == pl.String:
        return column.str.contains(_TOO_FINE)
    return pl.Series([False]).new_from_index(0, len(column))


def _details(column: pl.Series) -> pl.Series:
    return pl.Series([f"{column.name}="]) + column.cast(pl.String).fill_null("").str.head(80)


def _in_utc(naive: pl.Series, zone: str) -> pl.Series:
    local = naive.cast(pl.Datetime("us")).dt.replace_time_zone(
        zone, ambiguous="earliest", non_existent="null"
    )
    return local.dt.convert_time_zone("UTC")


def _checked(
    column: pl.Series, values: pl.Series, reason: str, file: str, *, optional: bool = False
) -> Cells:
    if column.dtype == pl.String and values.null_count() == len(values) > column.null_count():
        sample = column.drop_nulls()[0]
        what = reason.split(": ")[1]
        raise InvalidFrame(file, f"column {column.name}: no cell can be used: {sample!r} is {what}")
    unusable = values.is_null()
    missing_time = reason.startswith("event_time") and not optional
    # An empty amount is expressible and judged later; a row without a time has no day to go to.
    wrong = unusable if missing_time else unusable & column.is_not_null()
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(column))
    return Cells(
        values,
        pl.Series([reason]).new_from_index(0, len(column)).zip_with(wrong, nothing),
        _details(column).zip_with(wrong, nothing),
    )


def _wrong_type(column: pl.Series, file: str, expected: str) -> InvalidFrame:
    return InvalidFrame(file, f"column {column.name}: {column.dtype} instead of {expected}")
