"""What the command ``cardfraud ladder`` does."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from cardfraud.adapters.sources import handbook
from cardfraud.contracts.sources import Source
from cardfraud.errors import InvalidSetting
from cardfraud.simulation import SimulationSettings, Simulator
from cardfraud_pipelines.ladder.pictures import rungs_compared
from cardfraud_pipelines.ladder.report import ladder_table
from cardfraud_pipelines.ladder.result import LadderResult
from cardfraud_pipelines.ladder.run import run_ladder

HANDBOOK_START: Final = date(2018, 7, 25)
"""The last of the weeks on which things are chosen; later ones are left for judging."""
SIMULATED_FROM: Final = date(2026, 5, 1)
SIMULATED_DAYS: Final = 100


def ladder(
    data: Path | None,
    *,
    start: date | None,
    days: int,
    seed: int,
    json_file: Path,
    picture: Path | None = None,
    console: Console | None = None,
) -> LadderResult:
    """Measure, print the table, write the figures as JSON and, if asked for, the picture.

    Args:
        data: folder in the handbook's schema; None simulates.
        start: first measured day; if absent the last week on which things are chosen for the
            handbook's data, the last days for other data.
        days: measured days.
        seed: of the simulation and of the model.
        json_file: where the figures go; its folder is made.
        picture: where the SVG goes.
        console: where the table goes; standard output if absent.

    Raises:
        InvalidSetting: the data has not these days and enough before them.
        InvalidFrame: files cannot be read, or a period holds no fraud.
    """
    console = console or Console()
    source, described = _source(data, seed)
    with console.status("starting") as status:
        # A terminal shows one moving line, a log keeps all of them.
        tell = status.update if console.is_terminal else console.print
        result = run_ladder(
            source,
            described,
            start=start or _start(source, days),
            days=days,
            seed=seed,
            progress=tell,
        )
    console.print(ladder_table(result))
    json_file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    console.print(f"Written to {json_file}.")
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text(rungs_compared(result), encoding="utf-8")
        console.print(f"Written to {picture}.")
    return result


def _source(data: Path | None, seed: int) -> tuple[Source, str]:
    if data is not None:
        return handbook(data), "transactions in the handbook's schema"
    settings = SimulationSettings(seed=seed, start=SIMULATED_FROM, days=SIMULATED_DAYS)
    return Simulator(settings), f"simulated transactions, seed {seed}"


def _start(source: Source, days: int) -> date:
    there = source.days()
    if not there:
        raise InvalidSetting("data", "there is no day in it")
    if there[0] < HANDBOOK_START and HANDBOOK_START + timedelta(days=days - 1) in there:
        return HANDBOOK_START
    return there[-1] - timedelta(days=days - 1)
