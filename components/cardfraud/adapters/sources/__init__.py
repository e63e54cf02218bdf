"""Sources of transactions: files in the handbook's schema, and any CSV or Parquet by a mapping."""

from cardfraud.adapters.sources.daily_files import DailyFiles, handbook
from cardfraud.adapters.sources.mapped_table import MappedTable
from cardfraud.adapters.sources.mapping import HANDBOOK, Columns, Mapping, load_mapping
from cardfraud.adapters.sources.segments import DerivedSegments

__all__ = [
    "HANDBOOK",
    "Columns",
    "DailyFiles",
    "DerivedSegments",
    "MappedTable",
    "Mapping",
    "handbook",
    "load_mapping",
]
