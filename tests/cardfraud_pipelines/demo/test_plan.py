from datetime import date, timedelta

import pytest

from cardfraud.contracts.labels import LABEL_DELAY
from cardfraud.errors import InvalidSetting
from cardfraud_pipelines.demo.plan import make_plan

DAYS = [date(2018, 4, 1) + timedelta(days=i) for i in range(136)]


def test_no_span_reads_what_was_not_known_when_it_was_used() -> None:
    """Each later span begins at least a label delay after the labels that the earlier one needs."""
    plan = make_plan(DAYS, replay_days=1, train_days=42, today=date(2018, 8, 8))

    assert plan.validation.start - plan.train.end >= LABEL_DELAY
    assert plan.test.start - plan.validation.end >= LABEL_DELAY
    assert plan.replay.start - plan.test.end >= LABEL_DELAY
    assert plan.history.end == plan.replay.start == date(2018, 8, 8)
    assert len(plan.train.days) == 42


def test_the_last_days_are_replayed_when_no_day_is_named() -> None:
    """Without a day of its own the replay takes the source's last days."""
    plan = make_plan(DAYS, replay_days=7, train_days=42)

    assert plan.replay.days == DAYS[-7:]


def test_training_takes_what_there_is() -> None:
    """A short history shortens the training span and nothing else."""
    plan = make_plan(DAYS[:60], replay_days=1, train_days=42)

    assert plan.train.start == DAYS[0]
    assert len(plan.test.days) == len(plan.validation.days) == 7


@pytest.mark.parametrize(
    ("days", "replay_days", "today"),
    [(DAYS[:40], 1, None), (DAYS, 0, None), (DAYS, 2, DAYS[-1]), (DAYS, 1, DAYS[10])],
    ids=["too few days", "nothing to replay", "ends too early", "begins too early"],
)
def test_too_little_data_is_refused_in_words(
    days: list[date], replay_days: int, today: date | None
) -> None:
    """A plan that the data cannot carry is refused before anything runs."""
    with pytest.raises(InvalidSetting):
        make_plan(days, replay_days=replay_days, train_days=42, today=today)
