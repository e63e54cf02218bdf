import dataclasses
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from cardfraud.contracts.sources import Extract
from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud.simulation import SimulationSettings, Simulator
from cardfraud_pipelines.ladder.command import ladder
from cardfraud_pipelines.ladder.pictures import rungs_compared
from cardfraud_pipelines.ladder.report import ladder_table
from cardfraud_pipelines.ladder.result import LadderResult
from cardfraud_pipelines.ladder.run import run_ladder
from cardfraud_pipelines.scorecard.configuration import Configuration

FIRST = date(2026, 5, 1)
START = FIRST + timedelta(days=50)
QUICK = Configuration(
    estimator="gradient_boosting", parameters={"trees": 30}, warm_up_days=10, threads=1
)


class Watched:
    """A simulated source that remembers which days were read."""

    def __init__(self, days: int = 60) -> None:
        """Make a small world."""
        self._source = Simulator(
            SimulationSettings(seed=3, start=FIRST, days=days, users=600, merchants=800)
        )
        self.name = self._source.name
        self.seen: list[date] = []

    def days(self) -> list[date]:
        """Every day there is."""
        return self._source.days()

    def read(self, day: date) -> Extract:
        """Remember and read."""
        self.seen.append(day)
        return self._source.read(day)

    def users(self) -> pl.DataFrame:
        """The users."""
        return self._source.users()


@pytest.fixture(scope="module")
def source() -> Watched:
    """The world that was measured."""
    return Watched()


@pytest.fixture(scope="module")
def result(source: Watched) -> LadderResult:
    """Two days, measured."""
    return run_ladder(source, "a small world", start=START, days=2, configuration=QUICK)


def test_nothing_of_a_later_day_is_read(source: Watched, result: LadderResult) -> None:
    """The measured days are the last ones that are opened."""
    assert max(source.seen) == result.last_day == START + timedelta(days=1)
    assert result.first_day == START


class Corrected(Watched):
    """The same world, where all labels of the days before the first measured one are corrected.

    The corrections come in a month after that day: every transaction was the opposite.
    """

    def read(self, day: date) -> Extract:
        """Add the corrections of a day to its labels."""
        read = super().read(day)
        if day >= START:
            return read
        frauds = read.labels.filter("is_fraud")["transaction_id"].to_list()
        late = datetime(START.year, START.month, START.day, tzinfo=UTC) + timedelta(days=30)
        rows = [(name, name not in frauds, late, 9) for name in read.transactions["transaction_id"]]
        corrections = pl.DataFrame(rows, schema=read.labels.schema, orient="row")
        return dataclasses.replace(read, labels=pl.concat([read.labels, corrections]))


def test_what_was_reported_later_is_neither_fitted_nor_chosen_on(result: LadderResult) -> None:
    """Corrections that come in after the first measured day change no figure and no threshold."""
    corrected = run_ladder(Corrected(), "a small world", start=START, days=2, configuration=QUICK)
    assert corrected == result


def test_less_state_ranks_worse(result: LadderResult) -> None:
    """The whole state beats what is left without the store; a result survives its JSON."""
    found = {rung.name: rung.average_precision for rung in result.rungs}
    assert found["full"] > found["both stale"]
    assert found["full"] > found["store gone"] + 0.1
    assert LadderResult.model_validate_json(result.model_dump_json()) == result


def test_it_is_shown_as_a_table_and_as_a_picture(result: LadderResult) -> None:
    """Every rung stands in both, whole on a terminal of 80 columns, with what the words mean."""
    console = Console(width=80)
    with console.capture() as captured:
        console.print(ladder_table(result))
    text = captured.get()
    picture = rungs_compared(result)
    for rung in result.rungs:
        assert f"{rung.name} " in text
        assert f"{rung.card_precision:.3f}" in text
        assert rung.name in picture
    assert "…" not in text


@pytest.mark.parametrize(("start", "days"), [(FIRST, 1), (START, 30), (START, 0)])
def test_days_that_are_not_there_are_refused(start: date, days: int) -> None:
    """Too few days before, too few after, or none at all: refused before anything is read."""
    source = Watched()
    with pytest.raises(InvalidSetting):
        run_ladder(source, "a small world", start=start, days=days, configuration=QUICK)
    assert source.seen == []


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """The command says what is wrong with the data, and writes nothing."""
    figures = tmp_path / "out" / "ladder.json"
    with pytest.raises((InvalidSetting, InvalidFrame)):
        ladder(tmp_path, start=None, days=7, seed=1, json_file=figures)
    assert not figures.exists()
