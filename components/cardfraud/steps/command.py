"""The command line of a step: options from its configuration, one JSON result, exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import BaseModel, ValidationError
from pydantic_settings import CliApp, SettingsError

from cardfraud.errors import CardfraudError

_Config = TypeVar("_Config", bound=BaseModel)


def execute(
    config: type[_Config],
    run: Callable[[_Config], BaseModel],
    arguments: Sequence[str] | None = None,
) -> int:
    """Read the configuration from the command line, run, print the result as JSON.

    Logs go to standard error, one JSON document a line, so that standard output is the result.

    Args:
        config: gives the options; nested fields are dotted, ``--train.start 2018-07-01``.
        run: does the work.
        arguments: None takes the process's own.

    Returns:
        The exit code: 0, or 1 after a line on standard error that says what is wrong.
    """
    _log_to_standard_error()
    program = Path(sys.argv[0])
    if program.name == "__main__.py":  # the help then shows the way that the readme names
        sys.argv[0] = f"cardfraud step {program.parent.name} --"
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        settings = CliApp.run(config, cli_args=given, cli_exit_on_error=True)
        with _under_way():
            result = run(settings)
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            where = ".".join(str(part) for part in fault["loc"])
            sys.stderr.write(f"error: {where or 'configuration'}: {fault['msg']}\n")
        return 1
    except (CardfraudError, SettingsError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{result.model_dump_json(indent=2)}\n")
    return 0


@contextmanager
def _under_way() -> Iterator[None]:
    """Show on a terminal that the step works, and for how long; elsewhere the log lines do."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(sys.argv[0].removesuffix(" --"), total=None)
        yield


def _log_to_standard_error() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        # Looked up at each message: whoever redirects the stream gets what follows.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
