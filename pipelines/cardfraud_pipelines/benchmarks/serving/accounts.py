"""What the servers' own counts must say after the load: no answer was kept, every one logged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from cardfraud_pipelines.benchmarks.serving.stages import ask
from cardfraud_pipelines.benchmarks.serving.window import WrongAnswer

PATIENCE_S: Final = 20.0
"""Longer than the prediction log lets rows wait."""
_SETTLED: Final = ("written", "dropped", "lost")


def require_fresh(ports: Mapping[str, int]) -> None:
    """Make sure that every answer was worked out, none taken from those that are kept.

    Args:
        ports: of ``/metrics`` of each transformer, by name.

    Raises:
        WrongAnswer: a transformer answered a transaction as before, or does not count that.
    """
    for name, port in ports.items():
        repeated = ask(port).repeated
        if repeated is None:
            raise WrongAnswer(name, 0, "it does not count repeated answers")
        if repeated:
            raise WrongAnswer(name, round(repeated), "answered as before, without work")


def written_share(
    ports: Mapping[str, int], answered: Mapping[str, int], *, patience_s: float = PATIENCE_S
) -> float | None:
    """Wait until the prediction logs are at rest; return what they wrote of what was answered.

    Rows that were dropped or lost are not written, nor is anything by a log that is off.

    Args:
        ports: of ``/metrics`` of each transformer, by name.
        answered: decisions that the load tool got of each, by name.
        patience_s: how long rows may take.

    Returns:
        Rows over answers, 1 where each answer has its row; None where nothing was answered.
    """
    expected = sum(answered.get(name, 0) for name in ports)
    if not expected:
        return None
    deadline = time.monotonic() + patience_s
    while True:
        told = [ask(port).log_rows for port in ports.values()]
        settled = {name: sum(rows.get(name, 0.0) for rows in told) for name in _SETTLED}
        if sum(settled.values()) >= expected or time.monotonic() > deadline:
            return settled["written"] / expected
        time.sleep(0.2)
