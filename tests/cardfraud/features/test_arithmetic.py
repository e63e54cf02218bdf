"""A formula gives one row's Python numbers what it gives a column, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from cardfraud.contracts.transactions import MAX_AMOUNT_MINOR
from cardfraud.features import values
from cardfraud.features.arithmetic import ROW
from cardfraud.features.values import DAY_US, UserAggregates, Window

NOW_US = 20_000 * DAY_US + 12_345_678_901
COUNTS = st.one_of(st.just(0), st.integers(1, 3), st.integers(4, 100_000))


@st.composite
def windows(draw: st.DrawFn) -> tuple[int, int]:
    """Return a count and a sum that go together."""
    count = draw(COUNTS)
    return count, draw(st.integers(0, count * MAX_AMOUNT_MINOR))


@st.composite
def users(draw: st.DrawFn) -> tuple[int, ...]:
    """Return the 17 numbers that are known of a user, and an amount."""
    history = draw(windows())
    low = draw(st.integers(0, MAX_AMOUNT_MINOR))
    ages = draw(st.tuples(st.integers(0, 90), st.integers(0, 90 * DAY_US)))
    return (
        *history,
        draw(st.integers(0, 2**64 - 1)),
        low,
        draw(st.integers(low, MAX_AMOUNT_MINOR)),
        NOW_US // DAY_US - ages[0],
        NOW_US - ages[1],
        *(number for _ in range(5) for number in draw(windows())),
        draw(st.integers(0, MAX_AMOUNT_MINOR)),
    )


def aggregates(field: tuple[int, ...], *, column: bool) -> UserAggregates:
    """Return the numbers of one user, as a column of length 1 or as they are."""

    def of(place: int) -> Any:
        kind = np.uint64 if place == 2 else np.int64
        return np.array([field[place]], dtype=kind) if column else field[place]

    return UserAggregates(
        Window(of(0), of(1)),
        of(2),
        of(3),
        of(4),
        of(5),
        of(6),
        *(Window(of(place), of(place + 1)) for place in range(7, 17, 2)),
    )


@given(users())
@example((0,) * 18)
@example((1, 100, 10_000, 100, 100, NOW_US // DAY_US, NOW_US, *(1, 100) * 5, 7))
def test_a_row_gets_what_a_column_gets(numbers: tuple[int, ...]) -> None:
    """Every value of the user and of the request agrees, a missing one with a missing one."""
    amount = numbers[-1]
    columns = values.user_values(aggregates(numbers, column=True), np.array([NOW_US]))
    columns |= values.on_demand_values(columns, np.array([NOW_US]), np.array([amount]))
    row = values.user_values(aggregates(numbers, column=False), NOW_US, ROW)
    row |= values.on_demand_values(row, NOW_US, amount, ROW)
    assert row.keys() == columns.keys()
    for name, column in columns.items():
        assert isinstance(row[name], float), name
        np.testing.assert_array_equal(np.array([row[name]]), column, err_msg=name)


def test_a_row_has_the_hour_of_its_zone() -> None:
    """The wall clock of one moment is that of a column, in winter and in summer."""
    for day in (19_737, 19_900):
        moment = day * DAY_US + 5_000_000_000
        expected = values.local_time(np.array([moment]), "Europe/Brussels")
        assert values.local_time(moment, "Europe/Brussels") == expected[0]
