"""What is known of a merchant, and when."""

from __future__ import annotations

import numpy as np
import pytest

from cardfraud.features.risk import merchant_aggregates
from tests.cardfraud.features import oracle
from tests.cardfraud.features.oracle import DAY, HOUR, START, Payment, Report

PAID = START + 15 * HOUR
PAYMENT = Payment("t", PAID, "a", "x", 100)


def requests(*days: int, merchant: str = "x") -> list[Payment]:
    """Return requests at noon, by days after the payment's."""
    return [Payment(f"r{d}", START + d * DAY + 12 * HOUR, "b", merchant, 1) for d in days]


def known(labels: list[Report], *days: int, merchant: str = "x") -> list[tuple[int, int]]:
    """Return count and frauds of the 30-day window for requests so many days later."""
    month = merchant_aggregates(
        oracle.transactions_frame([PAYMENT]),
        oracle.labels_frame(labels),
        oracle.transactions_frame(requests(*days, merchant=merchant)),
    ).month
    return list(zip(month.count.tolist(), month.frauds.tolist(), strict=True))


def report(day: float, *, fraud: bool, revision: int = 0) -> Report:
    """Return a label of the payment, reported so many days after its midnight."""
    return Report("t", fraud, START + round(day * DAY), revision)


def test_a_payment_counts_from_the_day_after_the_delay() -> None:
    """A window ends seven whole days before the request's day and is 30 days long."""
    assert known([], 7, 8, 37, 38) == [(0, 0), (1, 0), (1, 0), (0, 0)]


@pytest.mark.parametrize(("name", "last"), [("day", 8), ("week", 14), ("month", 37)])
def test_each_window_ends_after_its_own_days(name: str, last: int) -> None:
    """The windows of 1, 7 and 30 days hold a payment until 8, 14 and 37 days after it."""
    aggregates = merchant_aggregates(
        oracle.transactions_frame([PAYMENT]),
        oracle.labels_frame([report(1, fraud=True)]),
        oracle.transactions_frame(requests(7, 8, last, last + 1)),
    )
    window = getattr(aggregates, name)
    assert window.count.tolist() == [0, 1, 1, 0]
    assert window.frauds.tolist() == [0, 1, 1, 0]


def test_a_report_at_midnight_is_known_a_day_later() -> None:
    """Known on a day is what was reported before the day began, a microsecond suffices."""
    assert known([report(10, fraud=True)], 10, 11) == [(1, 0), (1, 1)]
    early = Report("t", fraud=True, reported_us=START + 10 * DAY - 1, revision=0)
    assert known([early], 9, 10) == [(1, 0), (1, 1)]


def test_a_fraud_that_is_taken_back_and_found_again() -> None:
    """Each revision holds from the midnight after its report to that after the next one's."""
    labels = [
        report(9.5, fraud=True, revision=0),
        report(12.5, fraud=False, revision=1),
        report(15.5, fraud=True, revision=2),
    ]
    frauds = [fraud for _, fraud in known(labels, *range(8, 20))]
    assert frauds == [0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1]


def test_two_revisions_within_one_day_leave_the_higher() -> None:
    """A fraud that is taken back before the next midnight was never known."""
    labels = [report(9.2, fraud=True), report(9.4, fraud=False, revision=1)]
    assert [fraud for _, fraud in known(labels, 9, 10, 11)] == [0, 0, 0]


def test_a_lower_revision_that_arrives_late_changes_nothing() -> None:
    """The highest revision reported so far counts, not the latest to be reported."""
    labels = [report(9.5, fraud=True, revision=2), report(12.5, fraud=False, revision=1)]
    assert [fraud for _, fraud in known(labels, 10, 13, 20)] == [1, 1, 1]


def test_labels_of_unknown_transactions_are_not_seen() -> None:
    """A report about a transaction that the table lacks adds nothing anywhere."""
    stray = Report("nobody", fraud=True, reported_us=START + 8 * DAY, revision=0)
    assert known([stray], 10) == [(1, 0)]


def test_an_unknown_merchant_has_nothing() -> None:
    """A request at a merchant without transactions gets zeros, whatever others have."""
    labels = [report(8, fraud=True)]
    assert known(labels, 10, merchant="w") == [(0, 0)]
    assert known(labels, 10, merchant="z") == [(0, 0)]
    more = [PAYMENT, Payment("u", PAID, "a", "v", 100)]
    aggregates = merchant_aggregates(
        oracle.transactions_frame(more),
        oracle.labels_frame([report(8, fraud=True)]),
        oracle.transactions_frame(requests(10, merchant="w") + requests(10, merchant="x")),
    )
    assert aggregates.month.count.tolist() == [0, 1]


def test_merchants_do_not_see_each_other() -> None:
    """Frauds at one of three merchants with neighbouring codes stay there."""
    rows = [Payment(m, PAID, "a", m, 100) for m in "xyz"]
    aggregates = merchant_aggregates(
        oracle.transactions_frame(rows),
        oracle.labels_frame([Report("y", fraud=True, reported_us=START + DAY, revision=0)]),
        oracle.transactions_frame([Payment(f"r{m}", START + 9 * DAY, "b", m, 1) for m in "zyx"]),
    )
    assert aggregates.month.count.tolist() == [1, 1, 1]
    assert aggregates.month.frauds.tolist() == [0, 1, 0]


def test_a_label_reported_years_later_does_not_disturb_others() -> None:
    """A report far beyond every request's day is known to none of them."""
    labels = [report(3000, fraud=True)]
    assert known(labels, 8, 37) == [(1, 0), (1, 0)]
    assert np.sum([fraud for _, fraud in known(labels, *range(60))]) == 0
