"""The serving part alone, for whoever changes a server: ``python -m ... --quick``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cardfraud_pipelines.benchmarks.serving.report import print_serving
from cardfraud_pipelines.benchmarks.serving.run import Extent, measure_serving
from cardfraud_pipelines.benchmarks.serving.servers import ALL

FOLDER = Path("build/local/bench")


def main(
    connections: Annotated[str, typer.Option(help="Numbers of connections.")] = "1,16",
    only: Annotated[str, typer.Option(help="Servers beside the baseline.")] = "split,fused",
    seconds: Annotated[float, typer.Option(help="Of one server's turn.")] = 2.5,
    *,
    quick: Annotated[bool, typer.Option(help="One short turn for each server.")] = False,
) -> None:
    """Measure the named servers beside the baseline."""
    console = Console()
    extent = Extent(
        connections=tuple(int(number) for number in connections.split(",")),
        rounds=1 if quick else 3,
        seconds=seconds,
        paced_seconds=2.0 if quick else 12.0,
        users=(),
        names=tuple(only.split(",")) if only else ALL,
    )
    result = measure_serving(FOLDER, extent, lambda text: console.print(text, style="dim"))
    print_serving(result, console)
    for sentence in result.missed:
        console.print(f"missed: {sentence}", style="red")


if __name__ == "__main__":
    typer.run(main)
