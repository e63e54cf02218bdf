"""The command ``cardfraud bench``."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from cardfraud_pipelines.benchmarks.report import print_result
from cardfraud_pipelines.benchmarks.run import run_benchmarks, table


def bench(data: Path | None, json_file: Path | None) -> None:
    """Measure, print the tables, and write the figures as JSON if a file is named.

    Args:
        data: folder in the handbook's schema; 1.75 million made transactions if absent.
        json_file: where the figures go.

    Raises:
        typer.Exit: a budget was missed; the exit status is 1.
        InvalidFrame: the folder cannot be read.
    """
    console = Console()
    transactions, what = table(data)
    result = run_benchmarks(
        transactions, what, report=lambda text: console.print(f"measuring {text}", style="dim")
    )
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(result.model_dump_json(indent=2) + "\n")
    print_result(result, console)
    if result.missed:
        raise typer.Exit(1)
