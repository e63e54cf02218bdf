"""The command ``cardfraud bench``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final, Literal

import typer
from rich.console import Console

from cardfraud_pipelines.benchmarks.report import print_result
from cardfraud_pipelines.benchmarks.result import BenchmarkResult, FeaturesResult
from cardfraud_pipelines.benchmarks.run import machine, measure_features, table
from cardfraud_pipelines.benchmarks.serving.run import Extent, measure_serving

Part = Literal["features", "serving"]
PARTS: Final[tuple[Part, ...]] = ("features", "serving")
FOLDER: Final = Path("build/local/bench")
"""Logs and data of the servers under load."""


def bench(
    data: Path | None,
    json_file: Path | None,
    *,
    parts: Collection[Part] = PARTS,
    users: int | None = None,
) -> None:
    """Measure, print the tables, and write the figures as JSON if a file is named.

    Args:
        data: folder in the handbook's schema for the features; made transactions if absent.
        json_file: where the figures go.
        parts: what is measured.
        users: how many users the online store holds at last.

    Raises:
        typer.Exit: a budget was missed; the exit status is 1.
        InvalidFrame: the folder cannot be read.
        WrongAnswer: a server under load answered wrongly.
        PartFailed: a server does not come up.
    """
    console = Console()

    def report(text: str) -> None:
        console.print(f"measuring {text}", style="dim")

    result = BenchmarkResult(machine=machine())
    if "features" in parts:
        result = result.model_copy(update={"features": _features(data, report)})
    if "serving" in parts:
        extent = Extent() if users is None else Extent(users=(users,))
        serving = measure_serving(FOLDER, extent, report)
        result = result.model_copy(update={"serving": serving})
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(result.model_dump_json(indent=2) + "\n")
    print_result(result, console)
    if result.missed:
        raise typer.Exit(1)


def _features(data: Path | None, report: Callable[[str], None]) -> FeaturesResult:
    transactions, what = table(data)
    return measure_features(transactions, what, report=report)
