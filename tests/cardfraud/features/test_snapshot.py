"""What a daily job may know at its midnight, to the microsecond."""

from __future__ import annotations

import pytest

from cardfraud.features.merchant_state import MerchantState
from cardfraud.features.snapshot import merchant_snapshot, user_snapshot
from cardfraud.features.user_history import UserHistory
from tests.cardfraud.features import oracle
from tests.cardfraud.features.oracle import DAY, START, Payment, Report

TODAY = START // DAY
PAID = Payment("t", START, "a", "x", 100)
AS_OF = TODAY + 10
MIDNIGHT = AS_OF * DAY


def frauds(*labels: Report) -> int:
    """Return the merchant's known frauds at the midnight."""
    frame = merchant_snapshot(
        oracle.transactions_frame([PAID]), oracle.labels_frame(list(labels)), AS_OF
    )
    return int(MerchantState.decode(frame["state"].item()).days["frauds"].sum())


@pytest.mark.parametrize(("reported_us", "known"), [(MIDNIGHT - 1, 1), (MIDNIGHT, 0)])
def test_a_report_is_known_only_before_the_midnight(reported_us: int, known: int) -> None:
    """A fraud that is reported at the very midnight is one that the day's decisions do not know."""
    assert frauds(Report("t", fraud=True, reported_us=reported_us, revision=0)) == known


@pytest.mark.parametrize(("reported_us", "known"), [(MIDNIGHT - 1, 0), (MIDNIGHT, 1)])
def test_a_fraud_is_taken_back_only_before_the_midnight(reported_us: int, known: int) -> None:
    """Neither is the end of a fraud known before the midnight after its report."""
    first = Report("t", fraud=True, reported_us=START + DAY, revision=0)
    assert frauds(first, Report("t", False, reported_us, 1)) == known


@pytest.mark.parametrize(("time_us", "known"), [(MIDNIGHT - 1, 1), (MIDNIGHT, 0)])
def test_a_payment_is_history_only_before_the_watermark(time_us: int, known: int) -> None:
    """A payment at the very midnight is the stream's, and counts there alone."""
    rows = [PAID, Payment("u", time_us, "a", "x", 100)]
    frame = user_snapshot(oracle.transactions_frame(rows), AS_OF)
    history = UserHistory.decode(frame["state"].item())
    assert int(history.days["count"].sum()) == 1 + known
    assert history.last_us == max(START, time_us * known)
