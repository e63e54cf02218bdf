"""The history features as most people write them: pandas, one group at a time.

A group of one user's (or one merchant's) transactions is indexed by time, and each window is a
call of ``rolling``; the merchants' windows are the difference of two, as in chapter 3 of the
Fraud Detection Handbook. Where a definition rounds its oldest edge down to whole hours or days,
so does this: the index is rounded down, the window is closed on both sides, and the transaction
itself is taken off again. The merchants' newest edge is rounded down to the hour. Only the
smallest, the largest and the deviation of 90 days cannot be had so; they are over exact windows,
at the same cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from cardfraud.features.merchant_state import DELAY_DAYS, RISK_DAYS, STREAK_DAYS
from cardfraud.features.values import LARGEST_RATIO, PER_MEAN

if TYPE_CHECKING:
    import pandas as pd

EXACT_WINDOWS: Final = ("min_amount", "max_amount", "std_amount")
"""Features whose windows are exact here and rounded in the definitions."""


def pandas_values(transactions: pl.DataFrame) -> dict[str, np.ndarray]:
    """Values of every stored view by feature name, [N] float64 each, in the order of the rows.

    Args:
        transactions: sorted by time; each fraud is taken to be known when the delay has passed.
    """
    import pandas as pd

    frame = pd.DataFrame(
        {
            "time": transactions["event_time"].dt.replace_time_zone(None).to_numpy(),
            "user": transactions["user_id"].to_list(),
            "merchant": transactions["merchant_id"].to_list(),
            "amount": transactions["amount_minor"].to_numpy() / 100,
            "fraud": transactions["is_fraud"].to_numpy().astype(np.float64),
        }
    )
    frame["row"] = np.arange(len(frame))
    users = frame.groupby("user", group_keys=False)[["time", "amount", "row"]].apply(_one_user)
    of_users = _columns(users)
    frame["ratio"] = _hundredths_of_mean(frame["amount"].to_numpy(), of_users)
    merchants = frame.groupby("merchant", group_keys=False)[["time", "fraud", "ratio", "row"]]
    return of_users | _columns(merchants.apply(_one_merchant))


def _columns(values: pd.DataFrame) -> dict[str, np.ndarray]:
    values = values.set_index("row").sort_index()
    return {str(name): values[name].to_numpy(dtype=np.float64) for name in values.columns}


def _one_user(group: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    values: dict[str, np.ndarray] = {"row": group["row"].to_numpy()}
    time = pd.DatetimeIndex(group["time"])
    amount = pd.Series(group["amount"].to_numpy(), index=time)
    by_day = pd.Series(amount.to_numpy(), index=time.floor("D"))
    by_hour = pd.Series(amount.to_numpy(), index=time.floor("h"))
    for label, tiles, window in (
        ("1d", by_hour, "24h"),
        ("7d", by_day, "7D"),
        ("30d", by_day, "30D"),
    ):
        count, total = _before(tiles, window)
        values[f"user_count_{label}"] = count
        values[f"user_avg_amount_{label}"] = _ratio(total, count)
    for minutes in (5, 10):
        recent = amount.rolling(f"{minutes}min", closed="left")
        values[f"transactions_last_{minutes}min"] = recent.count().fillna(0).to_numpy()
        values[f"total_spent_last_{minutes}min"] = recent.sum().fillna(0).to_numpy()
        values[f"avg_amount_last_{minutes}min"] = recent.mean().to_numpy()
    return pd.DataFrame(values | _history(amount, by_day), index=group.index)


def _history(amount: pd.Series[float], by_day: pd.Series[float]) -> dict[str, np.ndarray]:
    import pandas as pd

    exact = amount.rolling("90D", closed="left")
    count, total = _before(by_day, "90D")
    time = pd.Series(amount.index.to_numpy().astype("datetime64[us]").astype(np.int64) / 8.64e10)
    first = pd.Series(np.floor(time.to_numpy()), index=by_day.index)
    earliest = first.rolling("90D", closed="both").min().to_numpy()
    known = count > 0
    return {
        "total_transactions": count,
        "avg_amount": _ratio(total, count),
        "std_amount": exact.std().to_numpy(),
        "min_amount": exact.min().to_numpy(),
        "max_amount": exact.max().to_numpy(),
        "total_spent": total,
        "days_since_last": np.where(known, time.diff().to_numpy(), np.nan),
        "days_since_first": np.where(known, time.to_numpy() - earliest, np.nan),
    }


def _before(tiles: pd.Series[float], window: str) -> tuple[np.ndarray, np.ndarray]:
    rolling = tiles.rolling(window, closed="both")
    return rolling.count().to_numpy() - 1, rolling.sum().to_numpy() - tiles.to_numpy()


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    ratio = np.full(len(top), np.nan)
    np.divide(top, bottom, out=ratio, where=bottom > 0)
    return ratio


def _one_merchant(group: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    time = pd.DatetimeIndex(group["time"])
    fraud = pd.Series(group["fraud"].to_numpy(), index=time.floor("D"))
    by_hour = pd.Series(group["fraud"].to_numpy(), index=time.floor("h"))
    delay = by_hour.rolling(f"{DELAY_DAYS}D", closed="both")
    delay_count, delay_frauds = delay.count().to_numpy(), delay.sum().to_numpy()
    values: dict[str, np.ndarray] = {"row": group["row"].to_numpy()}
    for days in RISK_DAYS:
        whole = fraud.rolling(f"{DELAY_DAYS + days}D", closed="both")
        count = whole.count().to_numpy() - delay_count
        values[f"merchant_count_{days}d"] = count
        values[f"merchant_fraud_share_{days}d"] = _ratio(
            whole.sum().to_numpy() - delay_frauds, count
        )
    return pd.DataFrame(values | _streak(group, time), index=group.index)


def _hundredths_of_mean(amount: np.ndarray, users: dict[str, np.ndarray]) -> np.ndarray:
    count, total = users["total_transactions"], np.rint(users["total_spent"] * 100)
    ratio = np.full(len(amount), float(PER_MEAN))
    np.divide(np.rint(amount * 100) * count * PER_MEAN, total, out=ratio, where=total > 0)
    return np.minimum(np.floor(ratio + 0.5), LARGEST_RATIO)


def _streak(group: pd.DataFrame, time: pd.DatetimeIndex) -> dict[str, np.ndarray]:
    """Lay the merchant's days out as a calendar and look up the last day that was not all fraud.

    The newest day is in sight up to the hour; it is looked at apart from the whole days.
    """
    import pandas as pd

    day, hour, delay = time.floor("D"), time.floor("h"), pd.Timedelta(days=DELAY_DAYS)
    fraud = group["fraud"].to_numpy()
    sums = {"count": np.ones(len(day)), "fraud": fraud, "ratio": fraud * group["ratio"].to_numpy()}
    running = {name: np.r_[0.0, np.cumsum(column)] for name, column in sums.items()}
    begins, ends = day.searchsorted(day - delay), hour.searchsorted(hour - delay)
    newest = {name: column[ends] - column[begins] for name, column in running.items()}

    daily = pd.DataFrame(sums, index=day).resample("D").sum()
    place = pd.Series(np.arange(len(daily), dtype=np.float64))
    other = place.where((daily["count"] > daily["fraud"]).to_numpy()).ffill().to_numpy()
    following = place.where((daily["fraud"] > 0).to_numpy()).bfill().to_numpy()
    today = (day - day[0]).days.to_numpy()
    whole, oldest = today - DELAY_DAYS - 1, today - DELAY_DAYS - STREAK_DAYS
    last = np.where(whole >= 0, other[np.maximum(whole, 0)], np.nan)
    last = np.where(last >= oldest, last, np.nan)
    last = np.where(newest["count"] > newest["fraud"], today - DELAY_DAYS, last)
    start = np.where(np.isnan(last), np.maximum(oldest, 0), last + 1).astype(np.int64)
    broken_today = start > today - DELAY_DAYS

    def since_start(name: str) -> np.ndarray:
        by_day = np.r_[0.0, daily[name].cumsum().to_numpy()]
        earlier = by_day[np.maximum(whole + 1, 0)] - by_day[np.minimum(start, len(daily))]
        found = np.where(whole >= start, earlier, 0.0) + newest[name]
        return np.where(broken_today, 0.0, found)

    frauds = since_start("fraud")
    first = following[np.minimum(start, len(daily) - 1)]
    return {
        "merchant_days_since_nonfraud": today - last,
        "merchant_fraud_streak": frauds,
        "merchant_fraud_streak_days": np.where(frauds > 0, today - first, np.nan),
        "merchant_fraud_streak_ratio": _ratio(since_start("ratio") / PER_MEAN, frauds),
    }
