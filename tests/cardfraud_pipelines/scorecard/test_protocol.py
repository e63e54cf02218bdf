from datetime import date

import numpy as np
import pytest

from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud_pipelines.scorecard.dataset import Dataset
from cardfraud_pipelines.scorecard.protocol import (
    Week,
    rows_with_known_labels,
    test_rows,
    training_rows,
)

WEEK = Week(date(1970, 1, 15), 2)
"""Training on days 0 to 6, delay on days 7 to 13, test on days 14 and 15."""
test_rows.__test__ = False  # type: ignore[attr-defined]


def _data(*frauds: tuple[int, int], days: int = 16, customers: int = 4) -> Dataset:
    """Each customer once a day, with the given (day, customer) pairs as frauds."""
    day = np.repeat(np.arange(days), customers)
    customer = np.tile(np.arange(customers), days)
    fraud = np.array([(int(d), int(c)) in frauds for d, c in zip(day, customer, strict=True)])
    count = len(day)
    return Dataset(
        transaction=np.arange(count),
        second=day * 86_400 + customer,
        customer=customer,
        terminal=np.zeros(count, dtype=np.int64),
        amount=np.ones(count),
        fraud=fraud,
    )


def _tested(data: Dataset) -> set[tuple[int, int]]:
    rows = test_rows(data, WEEK)
    return set(zip(data.day[rows].tolist(), data.customer[rows].tolist(), strict=True))


def test_training_ends_seven_days_before_the_test() -> None:
    """The seven training days are followed by seven days in which labels come in."""
    data = _data((0, 0), (14, 1))
    assert sorted(set(data.day[training_rows(data, WEEK)])) == list(range(7))
    assert data.day[rows_with_known_labels(data, WEEK)].max() == 6


def test_cards_with_a_fraud_in_training_are_left_out_of_all_test_days() -> None:
    """Customer 0 was compromised in training: it appears on neither test day."""
    assert _tested(_data((3, 0), (14, 1))) == {(d, c) for d in (14, 15) for c in (1, 2, 3)}


def test_a_fraud_in_the_delay_counts_only_once_its_label_is_in() -> None:
    """A fraud on day 7 is known on day 15, not on day 14; one on day 8 on neither."""
    tested = _tested(_data((3, 0), (7, 1), (8, 2), (14, 3)))
    assert (14, 1) in tested
    assert (15, 1) not in tested
    assert {(14, 2), (15, 2)} <= tested


def test_periods_without_what_they_need_are_refused() -> None:
    """Too little history, no fraud to learn from or to test on, and no days are errors."""
    with pytest.raises(InvalidFrame, match="must begin"):
        training_rows(_data((3, 0)), Week(date(1970, 1, 14), 2))
    with pytest.raises(InvalidFrame, match="0 frauds"):
        training_rows(_data((14, 0)), WEEK)
    with pytest.raises(InvalidFrame, match="no fraud"):
        test_rows(_data((3, 0)), WEEK)
    with pytest.raises(InvalidFrame, match="no rows on 1970-01-16"):
        test_rows(_data((3, 0), days=15), WEEK)
    with pytest.raises(InvalidSetting, match="test-days"):
        Week(date(1970, 1, 15), 0)
