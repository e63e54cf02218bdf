"""One window of load on one server: what came back, and what it cost whom."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from cardfraud.errors import CardfraudError
from cardfraud_pipelines.benchmarks.serving.deployments import Target
from cardfraud_pipelines.benchmarks.serving.load import Outcome, Plan
from cardfraud_pipelines.benchmarks.serving.processes import cpu_seconds, resident_mib

_LOAD: Final = "cardfraud_pipelines.benchmarks.serving.load"


class WrongAnswer(CardfraudError):
    """A server under load answered wrongly, late or not at all.

    Attributes:
        target: name of the server.
        faults: how many answers.
        first: the first of them.
    """

    def __init__(self, target: str, faults: int, first: str) -> None:
        """Build the message from the fields."""
        self.target, self.faults, self.first = target, faults, first
        super().__init__(f"{target}: {faults} answers were wrong, the first: {first[:300]}")


@dataclass(frozen=True, slots=True)
class Window:
    """What one window, or several together, measured.

    Attributes:
        latencies_us: of every answer.
        seconds: of load.
        server_cpu: processor seconds of the server's processes.
        redis_cpu: of the online store.
        load_cpu: of the load tool.
        mib: largest resident memory of the server's processes together, at the end of a window.
    """

    latencies_us: tuple[int, ...]
    seconds: float
    server_cpu: float
    redis_cpu: float
    load_cpu: float
    mib: float

    @property
    def requests(self) -> int:
        """Number of answers."""
        return len(self.latencies_us)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Processor milliseconds of the server for each request."""
        return self.server_cpu / self.requests * 1e3

    def latency_ms(self, share: float) -> float:
        """Return the latency that a share of the answers does not exceed, in milliseconds."""
        return float(np.quantile(self.latencies_us, share, method="higher")) / 1e3


def together(windows: Sequence[Window]) -> Window:
    """Put several windows of one kind together."""
    return Window(
        latencies_us=tuple(value for one in windows for value in one.latencies_us),
        seconds=sum(one.seconds for one in windows),
        server_cpu=sum(one.server_cpu for one in windows),
        redis_cpu=sum(one.redis_cpu for one in windows),
        load_cpu=sum(one.load_cpu for one in windows),
        mib=max(one.mib for one in windows),
    )


@dataclass(frozen=True, slots=True)
class Meter:
    """Puts load on servers and reads the clocks.

    Attributes:
        samples: file with what is asked.
        redis: process of the online store.
        answered: right answers of each server so far, by name; its next request has this number, so
            that it never sees a transaction twice and all servers are asked the same ones.
    """

    samples: Path
    redis: int
    answered: Counter[str] = field(default_factory=Counter)

    def asking(self, samples: Path) -> Meter:
        """Return a meter that asks something else and goes on numbering where this one is."""
        return replace(self, samples=samples)

    def measure(
        self, target: Target, *, connections: int, seconds: float, rate: float | None = None
    ) -> Window:
        """Load a server for some seconds.

        Args:
            target: which, and how it is asked.
            connections: kept open.
            seconds: for how long.
            rate: requests per second; None for as many as it can.

        Raises:
            WrongAnswer: one answer was not right.
            CalledProcessError: the load tool failed; its messages are on standard error.
        """
        plan = Plan(
            face=target.face,
            port=target.port,
            samples=self.samples,
            connections=connections,
            seconds=seconds,
            rate=rate,
            first=self.answered[target.name],
        )
        before = cpu_seconds(target.processes), cpu_seconds([self.redis])
        done = subprocess.run(
            [sys.executable, "-m", _LOAD],
            input=plan.model_dump_json().encode(),
            stdout=subprocess.PIPE,
            check=True,
        )
        outcome = Outcome.model_validate_json(done.stdout)
        if outcome.first_fault is not None or not outcome.latencies_us:
            fault = outcome.first_fault or "no answer at all"
            raise WrongAnswer(target.name, outcome.faults, fault)
        self.answered[target.name] += len(outcome.latencies_us)
        return Window(
            latencies_us=outcome.latencies_us,
            seconds=outcome.seconds,
            server_cpu=cpu_seconds(target.processes) - before[0],
            redis_cpu=cpu_seconds([self.redis]) - before[1],
            load_cpu=outcome.cpu_seconds,
            mib=resident_mib(target.processes),
        )
