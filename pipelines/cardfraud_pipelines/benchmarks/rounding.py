"""What rounding the edges of a window down to whole hours or days does to the values."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from cardfraud.features.batch import stored_values
from cardfraud.features.merchant_state import DELAY_DAYS, RISK_DAYS
from cardfraud_pipelines.benchmarks.inputs import labels_of
from cardfraud_pipelines.benchmarks.result import RoundingCost

_CHANGED: Final = 1e-6


def rounding_cost(transactions: pl.DataFrame) -> tuple[RoundingCost, ...]:
    """Compare every feature whose window is rounded with the same feature over exact windows.

    Args:
        transactions: sorted by time, with ``is_fraud``; each fraud is known after the delay.
    """
    ours = stored_values(transactions, labels_of(transactions))
    exact = _exact(transactions)
    return tuple(_cost(name, exact[name].to_numpy(), ours[name]) for name in exact.columns)


def _exact(transactions: pl.DataFrame) -> pl.DataFrame:
    """The features over exact windows [t - w, t), and [t - delay - w, t - delay) of merchants."""
    amount = pl.col("amount_minor") / 100
    fraud = pl.col("is_fraud").cast(pl.Float64)
    one = pl.col("amount_minor") * 0.0 + 1.0  # a column, as rolling windows need
    columns: dict[str, pl.Expr] = {
        "total_transactions": _rolling(one, "sum", 90, "user_id"),
        "avg_amount": _rolling(amount, "mean", 90, "user_id"),
        "std_amount": _rolling(amount, "std", 90, "user_id"),
        "min_amount": _rolling(amount, "min", 90, "user_id"),
        "max_amount": _rolling(amount, "max", 90, "user_id"),
        "total_spent": _rolling(amount, "sum", 90, "user_id"),
    }
    for days in (1, 7, 30):
        columns[f"user_count_{days}d"] = _rolling(one, "sum", days, "user_id")
        columns[f"user_avg_amount_{days}d"] = _rolling(amount, "mean", days, "user_id")
    for days in RISK_DAYS:
        reach = DELAY_DAYS + days
        count, frauds = (
            _rolling(what, "sum", reach, "merchant_id").fill_null(0)
            - _rolling(what, "sum", DELAY_DAYS, "merchant_id").fill_null(0)
            for what in (one, fraud)
        )
        columns[f"merchant_count_{days}d"] = count
        columns[f"merchant_fraud_share_{days}d"] = pl.when(count > 0.5).then(frauds / count)
    return transactions.select(**columns)


def _rolling(what: pl.Expr, how: str, days: int, entity: str) -> pl.Expr:
    rolling: pl.Expr = getattr(what, f"rolling_{how}_by")(
        "event_time", window_size=f"{days}d", closed="left"
    )
    return rolling.over(entity)


def _cost(name: str, exact: np.ndarray, rounded: np.ndarray) -> RoundingCost:
    known = np.isfinite(exact) & np.isfinite(rounded) & (exact != 0)
    relative = np.abs(rounded[known] - exact[known]) / np.abs(exact[known])
    if not len(relative):
        relative = np.zeros(1)
    return RoundingCost(
        feature=name,
        rows=int(known.sum()),
        share_changed=float((relative > _CHANGED).mean()),
        mean_relative=float(relative.mean()),
        largest_relative=float(relative.max()),
    )
