"""Two rows with one identifier: a repetition, or a contradiction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from cardfraud.contracts.transactions import TRANSACTION_COLUMNS

CONFLICT: Final = "conflicting_duplicate"
PAYLOAD: Final = [name for name in TRANSACTION_COLUMNS if name != "transaction_id"]


@dataclass(frozen=True, slots=True)
class Separated:
    """A table's rows, each in exactly one of three places.

    Attributes:
        kept: the first row of every identifier, in the table's order.
        conflicts: later rows that say something else than the first.
        duplicates: number of later rows that say the same.
    """

    kept: pl.DataFrame
    conflicts: pl.DataFrame
    duplicates: int


def separate(transactions: pl.DataFrame) -> Separated:
    """Keep the first row of every identifier; rows without an identifier are all kept.

    Args:
        transactions: canonical columns, in the order in which the source has them.
    """
    identifier = pl.col("transaction_id")
    first = identifier.is_first_distinct() | identifier.is_null()
    kept = transactions.filter(first)
    later = transactions.filter(~first)
    if later.is_empty():
        return Separated(kept, later, 0)
    firsts = kept.join(later.select("transaction_id").unique(), on="transaction_id", how="semi")
    compared = later.join(
        firsts, on="transaction_id", how="left", suffix="_first", maintain_order="left"
    )
    same = compared.select(
        pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_first")) for name in PAYLOAD)
    ).to_series()
    return Separated(kept, later.filter(~same), int(same.sum()))
