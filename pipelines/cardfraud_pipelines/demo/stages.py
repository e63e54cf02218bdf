"""Shows the stages of the demo as they go by, and remembers how long each took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from cardfraud_pipelines.demo.outcome import Stage


class Running:
    """A stage that is under way."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        """Keep the bar."""
        self._progress = progress
        self._task = task
        self.note = ""
        """What the stage did, in a few words; shown when it is over."""

    def at(self, done: int, total: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done, total=total)

    def advance(self, by: int) -> None:
        """Move the bar by so much."""
        self._progress.advance(self._task, by)

    def total(self, total: int) -> None:
        """Say how much there is to do."""
        self._progress.update(self._task, total=total)


class Stages:
    """The stages of one demo, in order."""

    def __init__(self, console: Console) -> None:
        """Keep the console to draw on."""
        self.console = console
        self.done: list[Stage] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[Running]:
        """Show a stage with a moving bar; leave one line when it is over.

        Args:
            name: a few words.
        """
        begun = time.perf_counter()
        progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        with progress:
            running = Running(progress, progress.add_task(f"{name:<26}", total=None))
            yield running
        seconds = time.perf_counter() - begun
        self.done.append(Stage(name, seconds, running.note))
        self.console.print(
            f"  [green]✓[/green] {name:<26} {seconds:6.1f} s  {running.note}",
            highlight=False,
            soft_wrap=True,
        )
