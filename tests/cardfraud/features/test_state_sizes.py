"""How large the state of one user or merchant can get, and that its bytes give it back."""

from __future__ import annotations

import numpy as np
import pytest

from cardfraud.errors import IntegrityError
from cardfraud.features.merchant_state import REACH_DAYS, RISK_TILE, MerchantState
from cardfraud.features.snapshot import merchant_snapshot, user_snapshot
from cardfraud.features.tiles import HISTORY_DAYS
from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import Event, Outcome, UserStream, apply, fingerprint
from tests.cardfraud.features import oracle
from tests.cardfraud.features.oracle import DAY, HOUR, START, Payment
from tests.cardfraud.features.strategies import LARGEST

BUDGET = 4096
"""Bytes that both halves of a user's state may take together."""
HISTORY_BUDGET = 15 + HISTORY_DAYS * 29 + 24 * 13
STREAM_BUDGET = 29 + 4 * 12 + 4 * 29 + 25 * 13 + 32 * 16


def busiest_history() -> bytes:
    """Return the blob of a user who paid in every hour of the 90 days before the watermark."""
    rows = [
        Payment(f"t{n}", START + n * HOUR, "a", "x", LARGEST)
        for n in range(24 * (HISTORY_DAYS + 3))
    ]
    frame = user_snapshot(oracle.transactions_frame(rows), START // DAY + HISTORY_DAYS + 1)
    blob = frame["state"].item()
    assert isinstance(blob, bytes)
    return blob


def busiest_stream() -> bytes:
    """Return the blob of a user with events in every hour of five days, from five partitions."""
    state = UserStream()
    for n in range(24 * 5 + 40):
        time_us = START + min(n, 24 * 5 - 1) * HOUR + n
        event = Event(n % 5, n, time_us, LARGEST, fingerprint(f"t{n}"))
        state, outcome = apply(state, event)
        assert outcome is Outcome.APPLIED
    return state.encode()


def test_the_busiest_user_fits() -> None:
    """History and stream at their fullest have the sizes that follow from their records."""
    history, stream = busiest_history(), busiest_stream()
    assert len(history) == HISTORY_BUDGET
    assert len(stream) == STREAM_BUDGET
    assert len(history) + len(stream) <= BUDGET


def test_the_busiest_merchant_fits() -> None:
    """A merchant with sales in every hour takes 31 tiles of 17 bytes and a header."""
    rows = [Payment(f"t{n}", START + n * HOUR, "a", "x", 1) for n in range(24 * (REACH_DAYS + 5))]
    hour = START // HOUR + 24 * (REACH_DAYS + 2) + 23
    frame = merchant_snapshot(oracle.transactions_frame(rows), oracle.labels_frame([]), hour)
    assert len(frame["state"].item()) == 6 + 31 * 17 == 533


def test_history_survives_its_bytes() -> None:
    """Decoding and encoding again gives the same bytes."""
    blob = busiest_history()
    state = UserHistory.decode(blob)
    assert state.encode() == blob
    assert len(state.days) == HISTORY_DAYS
    assert state.days["offset"].tolist() == list(range(HISTORY_DAYS))
    assert set(state.days["total"].tolist()) == {24 * LARGEST}
    assert set(state.days["squares"].tolist()) == {24 * LARGEST**2}
    assert len(state.hours) == 24


def test_merchant_state_survives_its_bytes() -> None:
    """Decoding and encoding again gives the same bytes and numbers."""
    days = np.array([(0, 3, 1, 99), (30, 2**32 - 1, 2**32 - 1, 2**64 - 1)], dtype=RISK_TILE)
    blob = MerchantState(408_000, days).encode()
    state = MerchantState.decode(blob)
    assert state.encode() == blob
    assert state.as_of_hour == 408_000
    assert state.days.tolist() == days.tolist()


@pytest.mark.parametrize("change", [b"", b"\x01", b"\x02"])
def test_foreign_bytes_are_refused(change: bytes) -> None:
    """Neither nothing, nor a header alone, nor another version is read as state."""
    history = busiest_history()
    merchant = MerchantState(408_000, np.zeros(2, dtype=RISK_TILE)).encode()
    for decode, blob in ((UserHistory.decode, history), (MerchantState.decode, merchant)):
        with pytest.raises(IntegrityError):
            decode(change)
        with pytest.raises(IntegrityError):
            decode(blob[:-1])
        with pytest.raises(IntegrityError):
            decode(blob + b"\0")
        with pytest.raises(IntegrityError):
            decode(bytes([blob[0] + 1]) + blob[1:])


def test_kinds_of_state_are_not_taken_for_each_other() -> None:
    """A blob of one kind under the key of another kind is refused."""
    history, stream = busiest_history(), busiest_stream()
    merchant = MerchantState(408_000, np.zeros(2, dtype=RISK_TILE)).encode()
    for decode, foreign in (
        (UserHistory.decode, (stream, merchant)),
        (UserStream.decode, (history, merchant)),
        (MerchantState.decode, (history, stream)),
    ):
        for blob in foreign:
            with pytest.raises(IntegrityError):
                decode(blob)
