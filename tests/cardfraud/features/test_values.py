"""The calendar of the on-demand features."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cardfraud.features import values

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """Return microseconds since 1970 of an aware moment."""
    return (moment - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    "zone", ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
)
def test_wall_clocks_are_those_of_zoneinfo(zone: str) -> None:
    """Local hour and weekday follow the zone through both changes of a year, to the second."""
    moments = [
        datetime(2018, 1, 1, tzinfo=UTC) + timedelta(minutes=7 * n, seconds=59) for n in range(9000)
    ]
    edges = [
        datetime(2018, month, day, hour, minute, second, tzinfo=UTC)
        for month, day in ((3, 25), (10, 28), (3, 11), (11, 4), (4, 1), (10, 7), (3, 31), (10, 6))
        for hour in range(24)
        for minute in (0, 29, 30, 59)
        for second in (0, 59)
    ]
    all_moments = moments + edges
    wall = values.local_time(np.array([microseconds(m) for m in all_moments]), zone)
    expected = [microseconds(m.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC)) for m in all_moments]
    assert wall.tolist() == expected


@pytest.mark.parametrize(
    ("moment", "hour", "weekday", "weekend", "night"),
    [
        (datetime(2018, 8, 10, 23, 59, 59, 999_999, tzinfo=UTC), 23, 4, 0, 0),
        (datetime(2018, 8, 11, 0, 0, tzinfo=UTC), 0, 5, 1, 1),
        (datetime(2018, 8, 12, 6, 59, 59, tzinfo=UTC), 6, 6, 1, 1),
        (datetime(2018, 8, 13, 7, 0, tzinfo=UTC), 7, 0, 0, 0),
        (datetime(2000, 2, 29, 12, 0, tzinfo=UTC), 12, 1, 0, 0),
    ],
)
def test_the_calendar_of_a_moment(
    moment: datetime, hour: int, weekday: int, weekend: int, night: int
) -> None:
    """Weeks begin on Monday, the weekend on Saturday, and the night ends with the hour of 6."""
    one = np.array([1.0])
    stored = dict.fromkeys(
        [
            "avg_amount",
            "std_amount",
            "max_amount",
            "total_spent",
            "total_transactions",
            "days_since_last",
            "days_since_first",
            "user_avg_amount_1d",
            "user_avg_amount_7d",
            "user_avg_amount_30d",
        ],
        one,
    )
    got = values.on_demand_values(stored, np.array([microseconds(moment)]), np.array([100]))
    names = ("hour_of_day", "day_of_week", "is_weekend", "is_night")
    assert [got[name].item() for name in names] == [hour, weekday, weekend, night]
