"""Opening one file as a table, with errors that name it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from cardfraud.errors import InvalidFrame

SUFFIXES: Final = (".parquet", ".csv", ".csv.gz")


def is_table(path: Path) -> bool:
    """Tell whether the file's name is that of a table."""
    return path.name.endswith(SUFFIXES)


def read_table(path: Path) -> pl.DataFrame:
    """Read a Parquet file, or a CSV file with a header, whose cells all come as texts.

    Raises:
        InvalidFrame: it is of another kind, absent, empty, truncated or otherwise unreadable.
    """
    if not is_table(path):
        raise InvalidFrame(path.name, "is neither Parquet nor CSV", hint=f"one of {SUFFIXES}")
    try:
        if path.stat().st_size == 0:
            raise InvalidFrame(path.name, "is empty", hint="was the export cut off?")
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path, hive_partitioning=False)
        else:
            frame = pl.read_csv(path, infer_schema=False)
    except (
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,  # a damaged file can make the decoder panic
        OSError,
        UnicodeDecodeError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        hint = "it may be truncated or not what its name says"
        raise InvalidFrame(path.name, f"cannot be read: {reason}", hint=hint) from error
    if frame.is_empty():
        raise InvalidFrame(path.name, "has no rows")
    return frame
