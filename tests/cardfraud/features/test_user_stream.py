"""The writing half of a user's state: one event at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.errors import IntegrityError
from cardfraud.features.definitions import RECENT_EVENTS
from cardfraud.features.tiles import HOURS
from cardfraud.features.user_stream import (
    MAX_SOURCES,
    RETAINED_DAYS,
    DaySum,
    Event,
    Outcome,
    StreamView,
    UserStream,
    apply,
    fingerprint,
)
from tests.cardfraud.features.oracle import DAY, HOUR, MINUTE, START
from tests.cardfraud.features.strategies import LARGEST

TODAY = START // DAY

events = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 2, 3]),  # days
        st.sampled_from([0, 1, 12, 23]),  # hours
        st.sampled_from([0, 1, 5 * MINUTE]),
        st.one_of(st.integers(0, LARGEST), st.just(LARGEST)),
    ),
    min_size=1,
    max_size=50,
)


def at(time_us: int, *, offset: int, amount: int = 100, source: int = 0) -> Event:
    """Return an event whose id no other offset has."""
    return Event(source, offset, time_us, amount, fingerprint(f"t{source}-{offset}"))


def after(*stream: Event) -> UserStream:
    """Return the state after some events, none of which may be turned away."""
    state = UserStream()
    for event in stream:
        state, outcome = apply(state, event)
        assert outcome is Outcome.APPLIED
    return state


def test_an_event_lands_in_its_tiles() -> None:
    """Day tile, hour tile and list of events each hold the first event."""
    state = after(at(START + 5 * HOUR, offset=7, amount=250))
    assert state.days == {TODAY: DaySum(1, 250, 62_500, 250, 250)}
    assert state.hours == {TODAY * 24 + 5: (1, 250)}
    assert state.events == ((START + 5 * HOUR, 250, fingerprint("t0-7")),)
    assert state.positions == {0: 7}
    assert state.last_us == START + 5 * HOUR


def test_sums_of_a_day() -> None:
    """Count, sum, sum of squares, smallest and largest are added to."""
    state = after(*(at(START + n, offset=n, amount=a) for n, a in enumerate((300, 100, 200))))
    assert state.days == {TODAY: DaySum(3, 600, 140_000, 100, 300)}
    assert state.hours == {TODAY * 24: (3, 600)}


def test_a_redelivered_event_changes_nothing() -> None:
    """At or below its source's position an event is one that was seen before."""
    state = after(at(START, offset=5))
    for offset in (5, 4, 0):
        again, outcome = apply(state, at(START + HOUR, offset=offset))
        assert outcome is Outcome.REDELIVERED
        assert again is state


def test_a_duplicate_only_moves_the_position() -> None:
    """The same id, time and amount under a new offset are not counted twice."""
    first = at(START, offset=5)
    state = after(first)
    again, outcome = apply(state, Event(0, 6, first.time_us, first.amount, first.fingerprint))
    assert outcome is Outcome.DUPLICATE
    assert again.positions == {0: 6}
    assert (again.days, again.hours, again.events) == (state.days, state.hours, state.events)


@pytest.mark.parametrize("change", ["time", "amount", "id"])
def test_what_differs_in_one_thing_is_no_duplicate(change: str) -> None:
    """Another time, another amount or another id makes another transaction."""
    state = after(at(START, offset=5))
    event = Event(
        0,
        6,
        START + (change == "time"),
        100 + (change == "amount"),
        fingerprint("other" if change == "id" else "t0-5"),
    )
    changed, outcome = apply(state, event)
    assert outcome is Outcome.APPLIED
    assert changed.days[TODAY].count == 2


def test_a_late_event_lands_in_its_own_tile() -> None:
    """An event of yesterday goes to yesterday's tiles and to its place among the events."""
    state = after(at(START, offset=0), at(START - 2 * HOUR, offset=1, amount=70))
    assert state.last_us == START
    assert state.days[TODAY - 1] == DaySum(1, 70, 4900, 70, 70)
    assert state.hours[TODAY * 24 - 2] == (1, 70)
    assert [time for time, _, _ in state.events] == [START - 2 * HOUR, START]


def test_too_late_is_before_the_oldest_day_that_is_kept() -> None:
    """The last day that is kept takes an event in; the moment before it moves the position only."""
    state = after(at(START, offset=0))
    edge = START - RETAINED_DAYS * DAY
    kept, outcome = apply(state, at(edge, offset=1))
    assert outcome is Outcome.APPLIED
    assert kept.days[TODAY - RETAINED_DAYS].count == 1
    late, outcome = apply(state, at(edge - 1, offset=1))
    assert outcome is Outcome.TOO_LATE
    assert late.positions == {0: 1}
    assert (late.days, late.hours, late.events) == (state.days, state.hours, state.events)


def test_too_early_is_after_the_latest_time_that_can_be_true() -> None:
    """At the limit an event counts; a microsecond later it only moves the position on."""
    state = after(at(START, offset=0))
    limit = START + DAY
    assert apply(state, at(limit, offset=1), latest_us=limit)[1] is Outcome.APPLIED
    moved, outcome = apply(state, at(limit + 1, offset=1), latest_us=limit)
    assert outcome is Outcome.TOO_EARLY
    assert moved == replace(state, positions={0: 1})
    assert apply(moved, at(limit + 1, offset=1), latest_us=limit)[1] is Outcome.REDELIVERED
    assert apply(moved, at(START + 1, offset=2), latest_us=limit)[1] is Outcome.APPLIED


def test_a_late_event_outside_the_hours_still_counts_in_its_day() -> None:
    """Hour tiles reach 24 hours back; an older event is in the day tile alone."""
    edge = START - HOURS * HOUR
    state = after(at(START, offset=0), at(edge, offset=1), at(edge - 1, offset=2))
    assert set(state.hours) == {TODAY * 24, TODAY * 24 - HOURS}
    assert state.days[TODAY - 1].count == 1
    assert state.days[TODAY - 2].count == 1


def test_old_tiles_are_dropped_as_time_goes_on() -> None:
    """No more than the current day and three before, and the current hour and 24 before, stay."""
    state = after(*(at(START + n * HOUR, offset=n) for n in range(24 * 8)))
    last = TODAY + 7
    assert set(state.days) == set(range(last - RETAINED_DAYS, last + 1))
    assert set(state.hours) == set(range(last * 24 + 23 - HOURS, last * 24 + 24))


def test_the_latest_events_are_kept() -> None:
    """Of 40 events the 32 latest by event time stay, oldest first."""
    order = [n * 7 % 40 for n in range(40)]
    state = after(*(at(START + n, offset=offset) for offset, n in enumerate(order)))
    times = [time for time, _, _ in state.events]
    assert times == [START + n for n in range(40 - RECENT_EVENTS, 40)]
    assert state.days[TODAY].count == 40


def test_sources_have_positions_of_their_own() -> None:
    """After a repartition a new source starts anew; only the latest few sources are remembered."""
    state = after(*(at(START + n, offset=9, source=n) for n in range(MAX_SOURCES + 2)))
    assert list(state.positions.items()) == [(n, 9) for n in range(2, MAX_SOURCES + 2)]
    assert apply(state, at(START, offset=9, source=5))[1] is Outcome.REDELIVERED
    assert apply(state, at(START, offset=10, source=2))[1] is Outcome.APPLIED


@given(events)
def test_the_state_survives_its_bytes(stream: list[tuple[int, int, int, int]]) -> None:
    """Decoding gives the encoded state back, after every event."""
    state = UserStream(version_us=START)
    for offset, (day, hour, rest, amount) in enumerate(stream):
        event = at(START + day * DAY + hour * HOUR + rest, offset=offset, amount=amount)
        state, _ = apply(state, event)
        assert UserStream.decode(state.encode()) == state


@given(events, st.integers(0, 60))
def test_delivering_all_over_again_changes_nothing(
    stream: list[tuple[int, int, int, int]], cut: int
) -> None:
    """A writer that was killed anywhere and starts again ends in the same state."""
    log = [
        at(START + day * DAY + hour * HOUR + rest, offset=offset, amount=amount)
        for offset, (day, hour, rest, amount) in enumerate(stream)
    ]
    once = UserStream()
    for event in log:
        once, _ = apply(once, event)
    twice = UserStream()
    for event in log[:cut] + log:
        twice, _ = apply(UserStream.decode(twice.encode()), event)
    assert twice == once


def test_sums_of_squares_wrap_instead_of_failing() -> None:
    """A day of 1,845 payments of the largest amount is past 64 bits and must still be storable."""
    state = after(*(at(START + n, offset=n, amount=LARGEST) for n in range(1845)))
    assert state.days[TODAY].total == 1845 * LARGEST
    assert state.days[TODAY].squares == 1845 * LARGEST**2 - 2**64
    assert UserStream.decode(state.encode()) == state


@pytest.mark.parametrize(
    "spoil",
    [
        lambda blob: b"",
        lambda blob: blob[:10],
        lambda blob: blob[:-1],
        lambda blob: blob + b"\0",
        lambda blob: b"\x02" + blob[1:],
        lambda blob: b'{"json": "of somebody else, long enough to be a header"}',
    ],
)
def test_foreign_bytes_are_refused(spoil: object) -> None:
    """Cut, extended, of another version or not a blob at all: none of these is read."""
    blob = after(at(START, offset=0)).encode()
    with pytest.raises(IntegrityError):
        StreamView.decode(spoil(blob))  # type: ignore[operator]
    with pytest.raises(IntegrityError):
        UserStream.decode(spoil(blob))  # type: ignore[operator]


def test_fingerprints_are_of_32_bits_and_stable() -> None:
    """The same id has the same fingerprint in every process and on every machine."""
    assert fingerprint("t-1") == 0x3225B0EA
    assert 0 <= fingerprint("x" * 64) < 2**32
    assert fingerprint("t-2") != fingerprint("t-1")
