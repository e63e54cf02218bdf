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


def test_a_payment_counts_when_its_hour_has_come_through_the_delay() -> None:
    """A window ends seven days before the request's hour and loses its oldest day at midnight."""
    assert known([], 7, 8, 37, 38) == [(0, 0), (1, 0), (1, 0), (0, 0)]
    last = START + 38 * DAY
    moments = [PAID + 7 * DAY + HOUR - 1, PAID + 7 * DAY + HOUR, last - 1, last]
    asked = [Payment(f"r{moment}", moment, "b", "x", 1) for moment in moments]
    month = merchant_aggregates(
        oracle.transactions_frame([PAYMENT]),
        oracle.labels_frame([]),
        oracle.transactions_frame(asked),
    ).month
    assert month.count.tolist() == [0, 1, 1, 0]


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


def test_a_report_on_the_hour_is_known_an_hour_later() -> None:
    """Known in an hour is what was reported before the hour began, a microsecond suffices."""
    assert known([report(10.5, fraud=True)], 10, 11) == [(1, 0), (1, 1)]
    early = Report("t", fraud=True, reported_us=START + 10 * DAY + 12 * HOUR - 1, revision=0)
    assert known([early], 9, 10) == [(1, 0), (1, 1)]


def test_a_fraud_that_is_taken_back_and_found_again() -> None:
    """Each revision holds from the full hour after its report to that after the next one's."""
    labels = [
        report(9.5, fraud=True, revision=0),
        report(12.5, fraud=False, revision=1),
        report(15.5, fraud=True, revision=2),
    ]
    frauds = [fraud for _, fraud in known(labels, *range(8, 20))]
    assert frauds == [0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1]


def test_two_revisions_within_one_hour_leave_the_higher() -> None:
    """A fraud that is taken back before the next full hour was never known."""
    labels = [report(9.46, fraud=True), report(9.49, fraud=False, revision=1)]
    assert [fraud for _, fraud in known(labels, 9, 10, 11)] == [0, 0, 0]
    labels = [report(9.3, fraud=True), report(9.52, fraud=False, revision=1)]
    assert [fraud for _, fraud in known(labels, 9, 10, 11)] == [1, 0, 0]


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


def streak(rows: list[Payment], labels: list[Report], day: int) -> tuple[int, int, int, int]:
    """Return nonfraud_age, frauds, age and ratios of a request so many days after the start."""
    found = merchant_aggregates(
        oracle.transactions_frame(rows),
        oracle.labels_frame(labels),
        oracle.transactions_frame(requests(day)),
    ).streak
    return (
        found.nonfraud_age.item(),
        found.frauds.item(),
        found.age.item(),
        found.ratios.item(),
    )


def paid_on(*days: int) -> list[Payment]:
    """Return one payment of 1.00 on each of the days after the start."""
    return [Payment(f"d{d}", START + d * DAY, f"user{d}", "x", 100) for d in days]


def found_on(day: int, *payments: int, fraud: bool = True, revision: int = 0) -> list[Report]:
    """Return reports of these days' payments, all made in the day's first hour."""
    return [Report(f"d{d}", fraud, START + day * DAY + HOUR, revision=revision) for d in payments]


def test_a_streak_grows_with_each_day_whose_labels_are_known() -> None:
    """Each hour adds the frauds that have come through the delay; ages are in whole days."""
    rows = paid_on(0, 1, 2, 3)
    labels = found_on(7, 1, 2, 3)
    assert streak(rows, labels, 7) == (7, 0, 0, 0)
    assert streak(rows, labels, 8) == (8, 1, 7, 100)
    assert streak(rows, labels, 9) == (9, 2, 8, 200)
    assert streak(rows, labels, 11) == (11, 3, 10, 300)


def test_one_other_transaction_ends_a_streak() -> None:
    """A payment that nobody reported, after the frauds, leaves nothing of the streak."""
    rows = paid_on(0, 1, 2, 3)
    assert streak(rows, found_on(7, 1, 2), 11) == (8, 0, 0, 0)


@pytest.mark.parametrize("place", [0, 3])
def test_a_fraud_that_shares_its_day_with_another_transaction_is_in_no_streak(place: int) -> None:
    """Within a day there is no before and after: the whole day counts as the honest one's."""
    rows = paid_on(0, 1, 2)
    rows.insert(place, Payment("honest", START + DAY + HOUR, "a", "x", 100))
    assert streak(rows, found_on(7, 0, 1, 2), 10) == (9, 1, 8, 100)


def test_a_fraud_taken_back_breaks_the_streak_from_the_next_hour() -> None:
    """Streaks follow the revisions: what is no fraud any more is another transaction."""
    rows = paid_on(1, 2, 3)
    labels = [*found_on(8, 1, 2, 3), *found_on(13, 2, fraud=False, revision=1)]
    assert streak(rows, labels, 12) == (0, 3, 11, 300)
    assert streak(rows, labels, 13) == (11, 1, 10, 100)


def test_a_streak_reaches_back_as_far_as_its_window() -> None:
    """Of frauds on every day those of thirty days and the newest day's hours count."""
    rows = paid_on(*range(40))
    labels = found_on(40, *range(40))
    assert streak(rows, labels, 45) == (0, 31, 37, 3100)


@pytest.mark.parametrize(
    ("amount", "earlier", "expected"),
    [
        (250, [100, 100], 250),
        (1, [200], 1),
        (100_000_000, [1], 10_000),
        (500, [], 100),
        (500, [0, 0], 100),
    ],
)
def test_a_frauds_amount_is_measured_by_what_its_user_spent_before(
    amount: int, earlier: list[int], expected: int
) -> None:
    """The ratio has whole hundredths, halves up, a ceiling, and is one where there is no mean."""
    rows = [Payment(f"e{n}", START + n * HOUR, "a", "w", paid) for n, paid in enumerate(earlier)]
    rows.append(Payment("d1", START + DAY, "a", "x", amount))
    assert streak(rows, found_on(8, 1), 10)[3] == expected
