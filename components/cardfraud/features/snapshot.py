"""State snapshots: the daily job's blobs for every user and merchant, from whole tables."""

from __future__ import annotations

import numpy as np
import polars as pl

from cardfraud.features.history import hundredths_of_mean, user_order
from cardfraud.features.labels import latest_labels
from cardfraud.features.merchant_state import REACH_DAYS, RISK_TILE, MerchantState
from cardfraud.features.tiles import DAY_TILE, HISTORY_DAYS, HOUR_TILE, HOURS
from cardfraud.features.user_history import UserHistory


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
    transactions: pl.DataFrame, labels: pl.DataFrame, as_of_day: int
) -> pl.DataFrame:
    """Risk blobs of all merchants that were active before a day.

    A merchant that was not active in the reach of the longest window gets a blob without tiles.

    Args:
        transactions: at least the reach before ``as_of_day`` and the 90 days before that, for the
            users' means; later rows are left out.
        labels: all label revisions; those reported at or after the day's midnight are left out.
        as_of_day: UTC day since 1970.

    Returns:
        Columns merchant_id (String) and state (Binary), sorted by merchant.
    """
    midnight = pl.lit(as_of_day * 86_400_000_000).cast(pl.Datetime("us", "UTC"))
    past = transactions.with_columns(
        day=pl.col("event_time").dt.epoch("us") // 86_400_000_000
    ).filter(pl.col("day") < as_of_day)
    recent = past.filter(pl.col("day") >= as_of_day - REACH_DAYS)
    known = latest_labels(labels.filter(pl.col("reported_at") < midnight)).filter("is_fraud")
    frauds = _with_ratios(recent.join(known, on="transaction_id", how="semi"), past)
    days = (
        recent.join(frauds, on="transaction_id", how="left")
        .group_by("merchant_id", "day")
        .agg(count=pl.len(), frauds=pl.col("ratio").count(), ratios=pl.col("ratio").sum())
        .sort("merchant_id", "day")
    )
    tiles = _tiles(days, "day", as_of_day - REACH_DAYS, RISK_TILE)
    merchants = past["merchant_id"].unique().sort()
    edges = _edges(merchants, days["merchant_id"])
    blobs = [
        MerchantState(as_of_day, tiles[edges[i] : edges[i + 1]]).encode()
        for i in range(len(merchants))
    ]
    return pl.DataFrame({"merchant_id": merchants, "state": pl.Series(blobs, dtype=pl.Binary)})


def _with_ratios(frauds: pl.DataFrame, past: pl.DataFrame) -> pl.DataFrame:
    """Columns transaction_id and ratio: the amount in hundredths of the user's mean before it."""
    theirs = past.join(frauds, on="user_id", how="semi")
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
