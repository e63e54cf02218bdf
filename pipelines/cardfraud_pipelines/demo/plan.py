"""The dates of a demo: what is history, what is trained on, chosen on, judged on and replayed.

Everything is counted back from the first replayed day R, the demo's "today". Labels take seven
days to settle, so each span begins one label delay after the one before it ends: whoever stood at
its beginning would not have known more. The same holds for R itself::

    train [R-35-n, R-35)  delay  validation [R-28, R-21)  delay  test [R-14, R-7)  delay  R ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from cardfraud.contracts.labels import LABEL_DELAY
from cardfraud.errors import InvalidSetting

WEEK: Final = timedelta(days=7)
MINIMUM_TRAIN_DAYS: Final = 14
HELD_OUT_DAYS: Final = 2 * WEEK.days + 3 * LABEL_DELAY.days
"""Days between the end of training and the first replayed day."""


@dataclass(frozen=True, slots=True)
class Span:
    """Days from ``start`` to before ``end``."""

    start: date
    end: date

    def __str__(self) -> str:
        """``2018-07-25 to 2018-07-31``, the last day included; a single day stands alone."""
        last = self.end - timedelta(days=1)
        return str(last) if last == self.start else f"{self.start} to {last}"

    @property
    def days(self) -> list[date]:
        """Every day of the span."""
        length = (self.end - self.start).days
        return [self.start + timedelta(days=i) for i in range(length)]

    def __contains__(self, day: date) -> bool:
        """Tell whether ``day`` lies in the span."""
        return self.start <= day < self.end


@dataclass(frozen=True, slots=True)
class Plan:
    """The spans of one demo."""

    history: Span
    train: Span
    validation: Span
    test: Span
    replay: Span


def make_plan(
    days: Sequence[date], *, replay_days: int, train_days: int, today: date | None = None
) -> Plan:
    """Lay the spans over the days that a source has.

    Args:
        days: the source's days, rising.
        replay_days: how many to replay.
        train_days: at most this many to train on.
        today: first replayed day; the latest that leaves ``replay_days`` if absent.

    Raises:
        InvalidSetting: there are too few days.
    """
    if replay_days < 1:
        raise InvalidSetting("replay-days", "must be at least 1")
    needed = HELD_OUT_DAYS + MINIMUM_TRAIN_DAYS + replay_days
    if len(days) < needed:
        raise InvalidSetting(
            "data", f"{len(days)} days are too few", hint=f"the demo needs at least {needed}"
        )
    first = today or days[-replay_days]
    available = [day for day in days if day >= first]
    if len(available) < replay_days or (first - days[0]).days < needed - replay_days:
        raise InvalidSetting(
            "today", f"{first} leaves too few days", hint=f"the data has {days[0]} to {days[-1]}"
        )
    test = _week_before(first - LABEL_DELAY)
    validation = _week_before(test.start - LABEL_DELAY)
    train_end = validation.start - LABEL_DELAY
    train_start = max(train_end - timedelta(days=train_days), days[0])
    return Plan(
        history=Span(days[0], first),
        train=Span(train_start, train_end),
        validation=validation,
        test=test,
        replay=Span(first, first + timedelta(days=replay_days)),
    )


def _week_before(end: date) -> Span:
    return Span(end - WEEK, end)
