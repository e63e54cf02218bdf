"""What a job may know at its midnight or its hour, to the microsecond."""

from __future__ import annotations

import pytest

from cardfraud.features.merchant_state import MerchantState
from cardfraud.features.snapshot import merchant_snapshot, user_snapshot
from cardfraud.features.user_history import UserHistory
from tests.cardfraud.features import oracle
from tests.cardfraud.features.oracle import DAY, HOUR, START, Payment, Report

TODAY = START // DAY
PAID = Payment("t", START, "a", "x", 100)
AS_OF = TODAY + 10
MIDNIGHT = AS_OF * DAY
HOURLY = AS_OF * 24 + 5
BEGINNING = HOURLY * HOUR


def frauds(*labels: Report) -> int:
    """Return the merchant's known frauds at the hour's beginning."""
    frame = merchant_snapshot(
        oracle.transactions_frame([PAID]), oracle.labels_frame(list(labels)), HOURLY
    )
    return int(MerchantState.decode(frame["state"].item()).days["frauds"].sum())


@pytest.mark.parametrize(("reported_us", "known"), [(BEGINNING - 1, 1), (BEGINNING, 0)])
def test_a_report_is_known_only_before_the_hour(reported_us: int, known: int) -> None:
    """A fraud that is reported on the very hour is one that the hour's decisions do not know."""
    assert frauds(Report("t", fraud=True, reported_us=reported_us, revision=0)) == known


@pytest.mark.parametrize(("reported_us", "known"), [(BEGINNING - 1, 0), (BEGINNING, 1)])
def test_a_fraud_is_taken_back_only_before_the_hour(reported_us: int, known: int) -> None:
    """Neither is the end of a fraud known before the full hour after its report."""
    first = Report("t", fraud=True, reported_us=START + DAY, revision=0)
    assert frauds(first, Report("t", False, reported_us, 1)) == known


@pytest.mark.parametrize(
    ("time_us", "counted"),
    [(BEGINNING - 7 * DAY - 1, 1), (BEGINNING - 7 * DAY, 0), (MIDNIGHT - 37 * DAY, 1)],
)
def test_a_merchants_payment_counts_once_it_has_come_through_the_delay(
    time_us: int, counted: int
) -> None:
    """To the microsecond: a payment whose label may still be on its way is not in the state."""
    rows = [Payment("u", time_us, "a", "x", 100)]
    frame = merchant_snapshot(oracle.transactions_frame(rows), oracle.labels_frame([]), HOURLY)
    assert int(MerchantState.decode(frame["state"].item()).days["count"].sum()) == counted


@pytest.mark.parametrize(("time_us", "known"), [(MIDNIGHT - 1, 1), (MIDNIGHT, 0)])
def test_a_payment_is_history_only_before_the_watermark(time_us: int, known: int) -> None:
    """A payment at the very midnight is the stream's, and counts there alone."""
    rows = [PAID, Payment("u", time_us, "a", "x", 100)]
    frame = user_snapshot(oracle.transactions_frame(rows), AS_OF)
    history = UserHistory.decode(frame["state"].item())
    assert int(history.days["count"].sum()) == 1 + known
    assert history.last_us == max(START, time_us * known)
