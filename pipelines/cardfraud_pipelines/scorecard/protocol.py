"""Which rows a week of the handbook's protocol trains on and tests on.

Seven days of training, seven days in which the labels come in, then the test days. Cards known to
be compromised before a test day are left out of it: those with a fraud in the training days, and
those with a fraud seven or more days before the test day. (Handbook, chapter 3, "Baseline fraud
detection system", and chapter 5.)
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud_pipelines.scorecard.dataset import Dataset

LABEL_DELAY_DAYS = 7
TRAIN_DAYS = 7
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Week:
    """One test period of the protocol, with every bound as a day since the Unix epoch."""

    start: date
    days: int

    def __post_init__(self) -> None:
        """Refuse a test period without days."""
        if self.days < 1:
            raise InvalidSetting("test-days", f"must be at least 1, got {self.days}")

    @property
    def first_day(self) -> int:
        """First test day."""
        return (self.start - _EPOCH).days

    @property
    def end(self) -> date:
        """The day after the last test day."""
        return self.start + timedelta(days=self.days)

    @property
    def labels_end_day(self) -> int:
        """Labels of this day and of later days are not known when testing starts."""
        return self.first_day - LABEL_DELAY_DAYS

    @property
    def train_first_day(self) -> int:
        """First of the seven training days of the book's set-up."""
        return self.labels_end_day - TRAIN_DAYS


def training_rows(data: Dataset, week: Week) -> NDArray[np.bool_]:
    """Return a mask ``[N]`` of the book's seven training days.

    Raises:
        InvalidFrame: the data begin later, or the training days hold one class only.
    """
    day = data.day
    if day[0] > week.train_first_day:
        first = _EPOCH + timedelta(days=week.train_first_day)
        raise InvalidFrame("data", f"must begin on {first} or before to train for {week.start}")
    rows = (day >= week.train_first_day) & (day < week.labels_end_day)
    frauds = int(data.fraud[rows].sum())
    if not 0 < frauds < int(rows.sum()):
        raise InvalidFrame("data", f"the training days hold {frauds} frauds in {rows.sum()} rows")
    return rows


def rows_with_known_labels(data: Dataset, week: Week) -> NDArray[np.bool_]:
    """Return a mask ``[N]`` of all rows whose label is known when testing starts."""
    return data.day < week.labels_end_day


def test_rows(data: Dataset, week: Week) -> NDArray[np.bool_]:
    """Return a mask ``[N]`` of the test rows, without cards known to be compromised.

    Raises:
        InvalidFrame: a test day has no rows, or no fraud is left.
    """
    day = data.day
    known = np.unique(data.customer[training_rows(data, week) & data.fraud])
    rows = np.zeros(len(data), dtype=np.bool_)
    for offset in range(week.days):
        today = day == week.first_day + offset
        if not today.any():
            raise InvalidFrame("data", f"no rows on {week.start + timedelta(days=offset)}")
        # The last day whose labels came in; on the first test day it is the last training day.
        reported = (day == week.labels_end_day + offset - 1) & data.fraud
        known = np.union1d(known, data.customer[reported])
        rows |= today & ~np.isin(data.customer, known)
    if not data.fraud[rows].any():
        raise InvalidFrame("data", f"the test days from {week.start} hold no fraud")
    return rows
