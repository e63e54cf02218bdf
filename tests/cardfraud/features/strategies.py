"""Small random tables that lie on the edges of windows more often than chance would have it."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.cardfraud.features.oracle import DAY, HOUR, MINUTE, START, Payment, Report

LARGEST = 100_000_000
"""Largest amount of the contract, 1,000,000.00, in minor units."""

_DAYS = st.sampled_from([0, 0, 0, 1, 6, 7, 8, 29, 30, 31, 37, 38, 89, 90, 91])
_HOURS = st.sampled_from([0, 0, 1, 12, 23])
_RESTS = st.sampled_from([0, 0, 1, 5 * MINUTE - 1, 5 * MINUTE, 10 * MINUTE, HOUR - 1])
_REPORTED = st.sampled_from([-1, 0, 0, HOUR - 1, HOUR, 12 * HOUR, 12 * HOUR + 1])
_AMOUNTS = st.one_of(st.sampled_from([0, 1, 99, LARGEST]), st.integers(0, LARGEST))


@st.composite
def payments(draw: st.DrawFn, *, most: int = 30, users: str = "ab") -> list[Payment]:
    """Transactions of a few users and merchants, in no order, with many ties in time."""
    count = draw(st.integers(1, most))
    names = draw(st.permutations([f"t{n}" for n in range(count)]))
    return [
        Payment(
            id=name,
            time_us=START + draw(_DAYS) * DAY + draw(_HOURS) * HOUR + draw(_RESTS),
            user=draw(st.sampled_from(users)),
            merchant=draw(st.sampled_from("xyz")),
            amount=draw(_AMOUNTS),
        )
        for name in names
    ]


@st.composite
def reports(draw: st.DrawFn, of: list[Payment]) -> list[Report]:
    """Label revisions of some transactions: fraud, taken back, late, out of order, on the hour."""
    result: list[Report] = []
    for payment in of:
        revisions = draw(st.integers(0, 3))
        midnight = payment.time_us // DAY * DAY
        for revision in range(revisions):
            delay = draw(st.sampled_from([1, 7, 8, 9, 15, 30]))
            result.append(
                Report(
                    payment.id,
                    draw(st.booleans()),
                    midnight + delay * DAY + draw(_REPORTED),
                    revision,
                )
            )
    return draw(st.permutations(result)) if result else result
