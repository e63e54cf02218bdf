"""State snapshots: the jobs' blobs for every user and merchant, from whole tables."""

from __future__ import annotations

import numpy as np
import polars as pl

from cardfraud.features.history import hundredths_of_mean, user_order
from cardfraud.features.labels import latest_labels
from cardfraud.features.merchant_state import (
    DELAY_HOURS,
    REACH_DAYS,
    RISK_TILE,
    MerchantState,
)
from cardfraud.features.tiles import DAY_TILE, HISTORY_DAYS, HOUR_TILE, HOURS, HOURS_A_DAY
from cardfraud.features.user_history import UserHistory
from cardfraud.features.values import HOUR_US


def user_snapshot(transactions: pl.DataFrame, watermark_day: int) -> pl.DataFrame:
    """History blobs of all users who were active before a watermark.

    A user who was not active in the 90 days before it gets a blob without tiles: somebody who is
    quiet must not look like somebody whom the daily job forgot.

    Args:
        transactions: at least the 90 days before the watermark; later rows are left out.
        watermark_day: UTC day since 1970 whose midnight is the watermark.

    Returns:
        Columns user_id (String) and state (Binary), sorted by user.
    """
    epoch = pl.col("event_time").dt.epoch("us")
    past = transactions.select(
        "user_id",
        time_us=epoch,
        day=epoch // 86_400_000_000,
        hour=epoch // 3_600_000_000,
        amount=pl.col("amount_minor").cast(pl.UInt64),
    ).filter(pl.col("day") < watermark_day)
    recent = past.filter(pl.col("day") >= watermark_day - HISTORY_DAYS)
    days = _grouped(recent, "day", squares=True)
    hours = _grouped(
        recent.filter(pl.col("hour") >= watermark_day * 24 - HOURS), "hour", squares=False
    )
    latest = past.group_by("user_id").agg(pl.col("time_us").max()).sort("user_id")
    day_tiles = _tiles(days, "day", watermark_day - HISTORY_DAYS, DAY_TILE)
    hour_tiles = _tiles(hours, "hour", watermark_day * 24 - HOURS, HOUR_TILE)
    users = latest["user_id"]
    day_edges = _edges(users, days["user_id"])
    hour_edges = _edges(users, hours["user_id"])
    blobs = [
        UserHistory(
            watermark_day,
            last_us,
            day_tiles[day_edges[i] : day_edges[i + 1]],
            hour_tiles[hour_edges[i] : hour_edges[i + 1]],
        ).encode()
        for i, last_us in enumerate(latest["time_us"].to_list())
    ]
    return pl.DataFrame({"user_id": users, "state": pl.Series(blobs, dtype=pl.Binary)})


def merchant_snapshot(
    transactions: pl.DataFrame,
    labels: pl.DataFrame,
    as_of_hour: int,
    *,
    ratios: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Risk blobs of all merchants that were active before an hour.

    A merchant that was not active in the reach of the longest window gets a blob without tiles.

    Args:
        transactions: at least the reach before ``as_of_hour`` and the 90 days before that, for the
            users' means; later rows are left out.
        labels: all label revisions; those reported at or after the hour's beginning are left out.
        as_of_hour: UTC hour since 1970.
        ratios: what :func:`fraud_ratios` gives; made here if absent. Whoever makes a snapshot each
            hour makes them once.

    Returns:
        Columns merchant_id (String) and state (Binary), sorted by merchant.
    """
    beginning = pl.lit(as_of_hour * HOUR_US).cast(pl.Datetime("us", "UTC"))
    base_day = as_of_hour // HOURS_A_DAY - REACH_DAYS
    past = transactions.select(
        "transaction_id", "merchant_id", hour=pl.col("event_time").dt.epoch("us") // HOUR_US
    ).filter(pl.col("hour") < as_of_hour)
    seen = past.filter(
        pl.col("hour").is_between(base_day * HOURS_A_DAY, as_of_hour - DELAY_HOURS, closed="left")
    ).with_columns(day=pl.col("hour") // HOURS_A_DAY)
    known = latest_labels(labels.filter(pl.col("reported_at") < beginning)).filter("is_fraud")
    if ratios is None:
        ratios = fraud_ratios(transactions, labels)
    frauds = ratios.join(known, on="transaction_id", how="semi")
    days = (
        seen.join(frauds, on="transaction_id", how="left")
        .group_by("merchant_id", "day")
        .agg(count=pl.len(), frauds=pl.col("ratio").count(), ratios=pl.col("ratio").sum())
        .sort("merchant_id", "day")
    )
    tiles = _tiles(days, "day", base_day, RISK_TILE)
    merchants = past["merchant_id"].unique().sort()
    edges = _edges(merchants, days["merchant_id"])
    blobs = [
        MerchantState(as_of_hour, tiles[edges[i] : edges[i + 1]]).encode()
        for i in range(len(merchants))
    ]
    return pl.DataFrame({"merchant_id": merchants, "state": pl.Series(blobs, dtype=pl.Binary)})


def fraud_ratios(transactions: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Amounts of all that was ever reported as fraud against the means of their users before it.

    Args:
        transactions: the canonical columns.
        labels: all label revisions.

    Returns:
        Columns transaction_id (String) and ratio (Int64, hundredths), in no order.
    """
    frauds = transactions.join(labels.filter("is_fraud"), on="transaction_id", how="semi")
    theirs = transactions.join(frauds, on="user_id", how="semi")
    order = user_order(theirs)
    ratio = np.empty(len(theirs), dtype=np.int64)
    ratio[order.row] = hundredths_of_mean(order, np.arange(len(theirs), dtype=np.int64))
    return theirs.select("transaction_id", ratio=pl.Series(ratio)).join(
        frauds, on="transaction_id", how="semi"
    )


def _grouped(recent: pl.DataFrame, unit: str, *, squares: bool) -> pl.DataFrame:
    amount = pl.col("amount")
    sums = [pl.len().alias("count"), amount.sum().alias("total")]
    if squares:
        sums += [
            (amount * amount).sum().alias("squares"),
            amount.min().alias("low"),
            amount.max().alias("high"),
        ]
    return recent.group_by("user_id", unit).agg(sums).sort("user_id", unit)


def _tiles(
    grouped: pl.DataFrame, unit: str, base: int, dtype: np.dtype[np.void]
) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    tiles = np.empty(len(grouped), dtype=dtype)
    tiles["offset"] = grouped[unit].to_numpy() - base
    for name in dtype.names or ():
        if name != "offset":
            tiles[name] = grouped[name].to_numpy()
    return tiles


def _edges(keys: pl.Series, sorted_keys: pl.Series) -> list[int]:
    """Positions at which each key's run begins in ``sorted_keys``, and the end of the last one."""
    lengths = (
        keys.to_frame("key")
        .join(
            sorted_keys.to_frame("key").group_by("key").agg(pl.len()),
            on="key",
            how="left",
            maintain_order="left",
        )["len"]
        .fill_null(0)
    )
    return [0, *lengths.cast(pl.Int64).cum_sum().to_list()]
