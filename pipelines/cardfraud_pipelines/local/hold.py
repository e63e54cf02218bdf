"""A local stack that stays up, for running steps and servers by hand."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

from cardfraud_pipelines.local.serving import LOG_KEY_VARIABLE, start_track
from cardfraud_pipelines.local.stack import LocalStack, S3Choice
from cardfraud_pipelines.local.supervisor import Supervisor

MODEL: Final = "fraud"


def hold_stack(folder: Path, *, s3: S3Choice = "auto") -> None:
    """Start S3, Redis and MLflow, write their addresses to ``stack.env``, and hold until Ctrl-C.

    Args:
        folder: of logs, data and ``stack.env``; emptied at the start.
        s3: which S3 server; ``auto`` takes versitygw where it can be had.

    Raises:
        NotFound: the S3 server that was asked for cannot be had.
        PartFailed: a part does not come up, or ends.
        StackInUse: another process has the folder.
    """
    console = Console()
    with LocalStack(folder, s3=s3, report=lambda line: _say(console, line)) as stack:
        stack.wait_for_mlflow()
        file = folder / "stack.env"
        # The same key for servers and for whoever reads their log.
        key = {LOG_KEY_VARIABLE: secrets.token_hex(16)}
        _write_private(file, stack.endpoints.settings_environment() | key)
        console.print(
            f"\nThe stack is up. In another shell, from this folder:\n\n  source {file}\n\n"
            "and then any step, such as: .venv/bin/cardfraud step ingest -- --help\n"
            "Ctrl-C stops everything; the data goes with it at the next start.",
            highlight=False,
            soft_wrap=True,
        )
        hold(stack.supervisor, console)


def hold_servers(folder: Path, *, clock: str, fused: bool) -> None:
    """Start the servers of the stable track that ``tracks.json`` names, and hold until Ctrl-C.

    The stores are found by the variables ``CARDFRAUD_S3_...`` and ``CARDFRAUD_FEAST_...``.

    Args:
        folder: of logs; emptied at the start.
        clock: ``live`` or ``replay``.
        fused: whether the model runs inside the transformer.

    Raises:
        NotFound: nothing was deployed.
        PartFailed: a server does not come up, or ends.
    """
    from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
    from cardfraud.adapters.pointers import read_tracks

    console = Console()
    track = read_tracks(ObjectStore(ObjectStoreSettings()), MODEL).tracks.tracks["stable"]
    stores = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("CARDFRAUD_S3_", "CARDFRAUD_FEAST_"))
    }
    with Supervisor(folder, report=lambda line: _say(console, line)) as supervisor:
        deployed = start_track(
            supervisor,
            stores,
            model=MODEL,
            bundle=track.bundle,
            policy=track.policy,
            clock=clock,
            fused=fused,
        )
        console.print(
            f"\nREST: {deployed.predict_url}\ngRPC: {deployed.transformer_grpc}\n"
            f"metrics: {deployed.transformer_url}/metrics\nCtrl-C stops what serves.",
            highlight=False,
            soft_wrap=True,
        )
        hold(supervisor, console)


def hold(supervisor: Supervisor, console: Console) -> None:
    """Block until somebody interrupts or terminates this process, or a part ends.

    Both signals are taken even where the caller's shell had them ignored, as shells do for a
    process in the background.

    Raises:
        PartFailed: a part has ended.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        supervisor.hold()
    except KeyboardInterrupt:
        console.print("stopping")


def _say(console: Console, line: str) -> None:
    console.print(f"  {line}", style="dim", highlight=False, soft_wrap=True)


def _write_private(path: Path, variables: Mapping[str, str]) -> None:
    """Write export lines that only the owner can read: there are credentials among them."""
    lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(lines)
