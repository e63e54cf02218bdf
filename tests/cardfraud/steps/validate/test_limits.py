from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from cardfraud.steps.validate import Limits, ValidateConfig
from cardfraud.steps.validate.limits import failures
from cardfraud.steps.validate.result import DayCounts

FIRST = date(2024, 3, 1)


def days(*rows: int) -> list[DayCounts]:
    """Return a day for each number of rows."""
    return [
        DayCounts(
            day=FIRST + timedelta(days=n), rows_in=count, kept=count, quarantined=0, set_aside=0
        )
        for n, count in enumerate(rows)
    ]


def broken(limits: Limits | None = None, **changes: Any) -> list[str]:
    """Return what is broken by good figures with some changes."""
    figures: dict[str, Any] = {
        "days": days(*[100] * 10),
        "quarantine_share": 0.0,
        "mean_amount": 50.0,
        "std_amount": 40.0,
    }
    return failures(limits or Limits(), **(figures | changes))


def test_good_figures_break_nothing() -> None:
    """Figures within all limits, and at their edges, break none."""
    assert broken() == []
    assert broken(quarantine_share=0.01, mean_amount=10.0, std_amount=500.0) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"quarantine_share": 0.0101}, "1.01% of the rows cannot be used, more than 1.00%"),
        ({"mean_amount": 9.99}, "the mean of the amounts is 9.99, outside 10 to 1000"),
        ({"mean_amount": 1_000.01}, "the mean of the amounts is 1,000.01, outside 10 to 1000"),
        (
            {"std_amount": 4.99},
            "the standard deviation of the amounts is 4.99, outside 5 to 500",
        ),
        ({"days": days(100, 0, 100)}, "2024-03-02 has 0 rows, outside 1 to 10,000,000"),
        (
            {"days": days(*[100] * 7, 24)},
            "2024-03-08 has 24 rows, the days before 100: a ratio of 0.24 is outside 0.25 to 4",
        ),
        (
            {"days": days(*[100] * 7, 401)},
            "2024-03-08 has 401 rows, the days before 100: a ratio of 4.01 is outside 0.25 to 4",
        ),
    ],
)
def test_each_limit_has_its_sentence(changes: dict[str, Any], sentence: str) -> None:
    """A limit that is broken is told in one sentence with the figure and the limit."""
    assert broken(**changes) == [sentence]


def test_too_little_history_compares_nothing() -> None:
    """With fewer than seven days before it, a day's volume is not compared."""
    assert broken(days=days(*[100] * 6, 1)) == []


def test_a_jump_does_not_spoil_the_days_after() -> None:
    """One day of a hundred times the volume breaks its own ratio and nobody else's."""
    assert len(broken(days=days(*[100] * 7, 10_000, *[100] * 7))) == 1


def test_missing_days_are_told_in_spans() -> None:
    """A missing day is named, several in a row by the first and the last, unless allowed."""
    present = [day for n, day in enumerate(days(*[100] * 12)) if n not in {2, 5, 6, 7}]
    assert broken(days=present) == [
        "there is no data of 2024-03-03",
        "there is no data of 2024-03-06 to 2024-03-08",
    ]
    assert broken(Limits(allow_gaps=True), days=present) == []


def test_limits_are_settings() -> None:
    """A limit that was set is the one that is kept to."""
    assert broken(Limits(mean_amount=(60, 70)))
    assert not broken(Limits(max_quarantine_share=0.5), quarantine_share=0.4)


@pytest.mark.parametrize(
    "wrong",
    [{"mean_amount": (5, 1)}, {"max_quarantine_share": 1.5}, {"rows_per_day": (0, 5)}, {"x": 1}],
)
def test_limits_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    """Limits in the wrong order, out of range or unknown are refused."""
    with pytest.raises(ValidationError):
        Limits.model_validate(wrong)


def test_a_report_cannot_be_named_out_of_its_folder() -> None:
    """A name with a slash, or a range that ends before it starts, is refused."""
    with pytest.raises(ValidationError):
        ValidateConfig(name="../aliases/champion")
    with pytest.raises(ValidationError, match="must not lie before"):
        ValidateConfig(start=date(2024, 1, 2), end=date(2024, 1, 1))
