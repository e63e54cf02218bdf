"""Holding the data as a whole against its limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import median

from cardfraud.steps.validate.config import Limits
from cardfraud.steps.validate.result import DayCounts


def failures(
    limits: Limits,
    days: Sequence[DayCounts],
    *,
    before: Sequence[tuple[date, int]] = (),
    quarantine_share: float,
    mean_amount: float | None,
    std_amount: float | None,
) -> list[str]:
    """Return a sentence for each limit that is not kept.

    Args:
        limits: what to keep to.
        days: the counts by day, in order.
        before: the latest days before these with their numbers of rows, in order.
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
    rows = [*before, *((count.day, count.rows_in) for count in days)]
    return [
        *found,
        *_gaps(limits, [day for day, _ in rows[max(0, len(before) - 1) :]]),
        *_volume(limits, rows, len(before)),
    ]


def _gaps(limits: Limits, days: Sequence[date]) -> list[str]:
    if limits.allow_gaps:
        return []
    found: list[str] = []
    for before, after in pairwise(days):
        first, last = before + timedelta(days=1), after - timedelta(days=1)
        if first == last:
            found.append(f"there is no data of {first}")
        elif first < last:
            found.append(f"there is no data of {first} to {last}")
    return found


def _volume(limits: Limits, days: Sequence[tuple[date, int]], first: int) -> list[str]:
    """Judge the days from number ``first`` on; those before only tell what is usual."""
    found: list[str] = []
    low, high = limits.rows_per_day
    least, most = limits.volume_ratio
    for number, (day, rows) in enumerate(days[first:], start=first):
        if not low <= rows <= high:
            found.append(f"{day} has {rows:,} rows, outside {low:,} to {high:,}")
        before = [count for _, count in days[max(0, number - limits.volume_days) : number]]
        if len(before) < limits.volume_min_days:
            continue
        usual = median(before)
        if usual and not least <= rows / usual <= most:
            found.append(
                f"{day} has {rows:,} rows, the days before {usual:,.0f}:"
                f" a ratio of {rows / usual:.2f} is outside {least:g} to {most:g}"
            )
    return found
