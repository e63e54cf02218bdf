"""Feature values of whole tables: one row of values for each transaction, as known just before."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from cardfraud.contracts.features import FeatureView
from cardfraud.features import values
from cardfraud.features.history import user_aggregates, user_order
from cardfraud.features.risk import merchant_aggregates
from cardfraud.features.values import Float, Int


def stored_values(transactions: pl.DataFrame, labels: pl.DataFrame) -> dict[str, Float]:
    """Values of every stored view, [N] float64 each, in the order of the table's rows.

    Args:
        transactions: everything that happened up to the last row asked for; the canonical columns.
        labels: all label revisions; what was not yet reported is not seen.
    """
    with ThreadPoolExecutor(max_workers=1) as beside:
        # Users and merchants share nothing, and NumPy lets go of the interpreter in its long loops.
        order = user_order(transactions)
        merchants = beside.submit(merchant_aggregates, transactions, labels, users=order)
        sorted_values = values.user_values(user_aggregates(order), order.time_us)
        result: dict[str, Float] = {}
        for name in list(sorted_values):
            unsorted = np.empty(len(order.row), dtype=np.float64)
            unsorted[order.row] = sorted_values.pop(name)
            result[name] = unsorted
        return result | values.merchant_values(merchants.result())


def all_values(transactions: pl.DataFrame, labels: pl.DataFrame) -> dict[str, Float]:
    """Values of every view, the on-demand ones too, [N] float64 each."""
    stored = stored_values(transactions, labels)
    return stored | values.on_demand_values(stored, *request_columns(transactions))


def request_columns(transactions: pl.DataFrame) -> tuple[Int, Int]:
    """Event times (microseconds) and amounts (minor units) of a table, [N] int64 each."""
    return (
        transactions["event_time"].to_physical().to_numpy().astype(np.int64),
        transactions["amount_minor"].to_numpy().astype(np.int64),
    )


def view_frame(
    view: FeatureView, stored: dict[str, Float], transactions: pl.DataFrame
) -> pl.DataFrame:
    """The rows that the offline store keeps for one view.

    Returns:
        transaction_id, event_timestamp (the event time: the values are as known just before it)
        and one float32 column for each feature, null where there is no value.
    """
    columns = {
        feature.name: pl.Series(stored[feature.name].astype(np.float32), dtype=pl.Float32)
        for feature in view.features
    }
    frame = transactions.select("transaction_id", event_timestamp="event_time")
    return frame.with_columns(**columns).with_columns(
        pl.col(name).fill_nan(None) for name in columns
    )


def vector_from_frame(frame: pl.DataFrame, names: Iterable[str]) -> dict[str, Float]:
    """Columns of a frame as values again: nulls become NaN, [N] float64 each."""
    return {name: frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in names}
