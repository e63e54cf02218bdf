"""Which transactions have a label that can be relied on, as seen from a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cardfraud.contracts.labels import LABEL_DELAY

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class MaturedRows:
    """Transactions with a column ``is_fraud``, and how many were too young to have one."""

    frame: pl.DataFrame
    immature: int


def matured_rows(
    transactions: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    as_of: datetime,
    maturity: timedelta = LABEL_DELAY,
) -> MaturedRows:
    """Join labels to transactions as they were known at ``as_of``.

    A transaction counts once ``maturity`` has passed since the event. Of its labels the one with
    the highest revision among those reported by ``as_of`` decides; without any it is legitimate.
    Younger transactions are left out even where a fraud is known already: their frauds are
    reported before their good transactions can be, so they would show too many.

    Args:
        transactions: canonical columns; the order of rows is kept.
        labels: all revisions of all labels.
        as_of: the moment, with a time zone.
        maturity: time after which a transaction without a label is legitimate.
    """
    import polars as pl

    from cardfraud.features.labels import latest_labels

    known = latest_labels(labels.filter(pl.col("reported_at") <= as_of))
    old_enough = transactions.filter(pl.col("event_time") + maturity <= as_of)
    joined = old_enough.join(known, on="transaction_id", how="left", maintain_order="left")
    return MaturedRows(
        frame=joined.with_columns(pl.col("is_fraud").fill_null(value=False)),
        immature=len(transactions) - len(old_enough),
    )
