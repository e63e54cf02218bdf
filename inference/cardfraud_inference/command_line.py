"""The command line of both servers: KServe's injected arguments, and a help that lists settings.

KServe's controller starts a transformer with ``--model_name``, ``--predictor_host``,
``--http_port`` and, where containerConcurrency is set, ``--workers``. This module imports nothing
heavy, so that ``--help`` and a wrong setting answer at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from cardfraud.errors import CardfraudError
from cardfraud_inference.settings import ServerSettings, read_settings

Settings = TypeVar("Settings", bound=ServerSettings)

_ARGUMENTS = ("model_name", "predictor_host", "http_port", "grpc_port", "enable_grpc", "workers")


def read_command_line(
    kind: type[Settings],
    purpose: str,
    further: Sequence[type[BaseSettings]],
    arguments: Sequence[str] | None = None,
) -> Settings:
    """Read the settings of a server, or print the help and leave.

    Args:
        kind: which server.
        purpose: the first sentences of the help.
        further: settings that the server reads too, for the help.
        arguments: in place of the process's own.

    Raises:
        InvalidSetting: a variable or an argument is wrong.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m cardfraud_inference.{kind.prefix.split('_')[1].lower()}",
        description=purpose,
        epilog=_variables([kind, *further]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in _ARGUMENTS:
        if name in kind.model_fields:
            parser.add_argument(
                f"--{name}",
                metavar="VALUE",
                help=f"the same as {kind.prefix}{name.upper()}, which it overrides",
            )
    # Arguments of KServe that mean nothing here are for kserve's own parser.
    known, _ = parser.parse_known_args(arguments)
    given = {name: value for name, value in vars(known).items() if value is not None}
    return read_settings(kind, given)


def reported(main: Callable[[], None]) -> int:
    """Run a server's main function; return the process's status, with what went wrong said."""
    try:
        main()
    except CardfraudError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 (for whoever started the process)
        return 1
    return 0


def _variables(kinds: Sequence[type[BaseSettings]]) -> str:
    lines = ["environment variables (all values are read once, at the start):"]
    for kind in kinds:
        lines.append("")
        prefix = str(kind.model_config.get("env_prefix", ""))
        for name, field in kind.model_fields.items():
            default = field.default
            required = field.is_required() and default is PydanticUndefined
            note = "required" if required else f"default: {default}"
            lines.append(f"  {f'{prefix}{name}'.upper()}  [{note}]")
            if field.description:
                lines.append(f"      {field.description}")
    return "\n".join(lines)
