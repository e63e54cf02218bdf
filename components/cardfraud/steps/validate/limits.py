"""Holding the data as a whole against its limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from statistics import median

from cardfraud.steps.validate.config import Limits
from cardfraud.steps.validate.result import DayCounts


def failures(
    limits: Limits,
    days: Sequence[DayCounts],
    *,
    quarantine_share: float,
    mean_amount: float | None,
    std_amount: float | None,
) -> list[str]:
    """Return a sentence for each limit that is not kept.

    Args:
        limits: what to keep to.
        days: the counts by day, in order.
        quarantine_share: of all rows.
        mean_amount: of the kept rows, major units; None when there are none.
        std_amount: likewise; None when there are fewer than two rows.
    """
    found: list[str] = []
    if quarantine_share > limits.max_quarantine_share:
        found.append(
            f"{quarantine_share:.2%} of the rows cannot be used,"
            f" more than {limits.max_quarantine_share:.2%}"
        )
    for what, value, (low, high) in (
        ("mean", mean_amount, limits.mean_amount),
        ("standard deviation", std_amount, limits.std_amount),
    ):
        if value is not None and not low <= value <= high:
            found.append(f"the {what} of the amounts is {value:,.2f}, outside {low:g} to {high:g}")
    return [*found, *_gaps(limits, days), *_volume(limits, days)]


def _gaps(limits: Limits, days: Sequence[DayCounts]) -> list[str]:
    if limits.allow_gaps:
        return []
    found: list[str] = []
    for before, after in pairwise(count.day for count in days):
        first, last = before + timedelta(days=1), after - timedelta(days=1)
        if first == last:
            found.append(f"there is no data of {first}")
        elif first < last:
            found.append(f"there is no data of {first} to {last}")
    return found


def _volume(limits: Limits, days: Sequence[DayCounts]) -> list[str]:
    found: list[str] = []
    low, high = limits.rows_per_day
    least, most = limits.volume_ratio
    for number, count in enumerate(days):
        if not low <= count.rows_in <= high:
            found.append(f"{count.day} has {count.rows_in:,} rows, outside {low:,} to {high:,}")
        before = [d.rows_in for d in days[max(0, number - limits.volume_days) : number]]
        if len(before) < limits.volume_min_days:
            continue
        usual = median(before)
        if usual and not least <= count.rows_in / usual <= most:
            found.append(
                f"{count.day} has {count.rows_in:,} rows, the days before {usual:,.0f}:"
                f" a ratio of {count.rows_in / usual:.2f} is outside {least:g} to {most:g}"
            )
    return found
