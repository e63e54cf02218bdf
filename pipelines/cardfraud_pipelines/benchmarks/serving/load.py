"""The load tool, a process of its own: a plan on standard input, a result on standard output.

Connections are kept. Without a rate each one sends its next request when it has its answer; with
one, requests fall due at random times (a Poisson process) whatever the server does, and their
latency counts from the moment they were due, so that a server which stalls does not hide it.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from collections import deque
from pathlib import Path
from typing import Annotated, Final, cast

import uvloop
from pydantic import BaseModel, ConfigDict, Field

from cardfraud_pipelines.benchmarks.serving.faces import FACES, FaceName
from cardfraud_pipelines.benchmarks.serving.samples import Samples

PATIENCE_S: Final = 10.0
"""An answer that takes longer is a fault."""
_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length: "


class Plan(BaseModel):
    """What to send.

    Attributes:
        face: how to ask.
        port: on the loopback interface.
        samples: file with the samples, used in turn.
        connections: kept open.
        seconds: for which requests are sent.
        rate: requests per second; None sends as fast as the answers come.
        first: number of the first request; no server is asked under one number twice.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    face: FaceName
    port: int
    samples: Path
    connections: Annotated[int, Field(ge=1)]
    seconds: Annotated[float, Field(gt=0)]
    rate: Annotated[float, Field(gt=0)] | None = None
    first: int = 0


class Outcome(BaseModel):
    """What came back.

    Attributes:
        latencies_us: of every answer, in the order in which they came.
        seconds: from the first request to the last answer.
        cpu_seconds: of this process meanwhile.
        faults: answers that were wrong, late or missing.
        first_fault: the first of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latencies_us: tuple[int, ...]
    seconds: float
    cpu_seconds: float
    faults: int
    first_fault: str | None


class _Run:
    """What the connections share: what is sent next, and what came back."""

    def __init__(self, plan: Plan) -> None:
        samples = Samples.load(plan.samples)
        self._face = FACES[plan.face]
        self._samples = samples.samples
        self._asked = [self._face.ask(one, samples.columns) for one in self._samples]
        headers = "".join(f"{k}: {v}\r\n" for k, v in self._face.headers(samples).items())
        self._head = f"POST {self._face.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}".encode()
        self._plan = plan
        self._number = plan.first
        self.latencies: list[int] = []
        self.faults: list[str] = []
        self.idle: deque[_Connection] = deque()
        self.due: deque[float] = deque()
        self.waiting = 0
        self.over = False

    def next_request(self) -> tuple[int, bytes]:
        """Return the position of the next sample and the bytes to send."""
        position = self._number % len(self._asked)
        body = self._asked[position].body(self._number)
        self._number += 1
        return position, b"%bcontent-length: %d\r\n\r\n%b" % (self._head, len(body), body)

    def take(self, position: int, since: float, head: bytes, body: bytes) -> None:
        """Count an answer."""
        self.latencies.append(round((time.perf_counter() - since) * 1e6))
        fault = self._face.fault(self._samples[position], head, body)
        if fault is not None:
            self.faults.append(fault)

    def proceed(self, connection: _Connection) -> None:
        """Say what a connection that has its answer does next."""
        if self._plan.rate is None:
            if not self.over:
                connection.send(time.perf_counter())
        elif self.due:
            connection.send(self.due.popleft())
        else:
            self.idle.append(connection)

    async def send_all(self) -> None:
        """Send until the time is over, then wait for the answers that are due."""
        if self._plan.rate is None:
            await asyncio.sleep(self._plan.seconds)
        else:
            await self._arrivals(self._plan.rate)
        self.over = True
        deadline = time.perf_counter() + PATIENCE_S
        while self.waiting or self.due:
            if time.perf_counter() > deadline:
                self.faults.append(f"{self.waiting} requests were never answered")
                return
            await asyncio.sleep(0.001)

    async def _arrivals(self, rate: float) -> None:
        """Let requests fall due.

        A thread sleeps until each is, to a tenth of a millisecond; timers of the event loop are
        kept in whole ones, and what falls due within the same would go out together.
        """
        await asyncio.to_thread(self._fall_due, asyncio.get_running_loop(), rate)

    def _fall_due(self, loop: asyncio.AbstractEventLoop, rate: float) -> None:
        source = random.Random(self._plan.first)  # noqa: S311 (arrivals, no secret)
        start = moment = time.perf_counter()
        while (moment := moment + source.expovariate(rate)) - start <= self._plan.seconds:
            if (early := moment - time.perf_counter()) > 0:
                time.sleep(early)
            loop.call_soon_threadsafe(self._due_at, moment)

    def _due_at(self, moment: float) -> None:
        if self.idle:
            self.idle.popleft().send(moment)
        else:
            self.due.append(moment)


class _Connection(asyncio.Protocol):
    """One kept connection with at most one request on its way."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self._position = 0
        self._since = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class

    def send(self, since: float) -> None:
        """Send the next request; its latency counts from ``since``."""
        assert self._transport is not None  # noqa: S101 (connected before; for the type checker)
        self._since = since
        self._position, data = self._run.next_request()
        self._run.waiting += 1
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_END)
        if end < 0:
            return
        head = self._buffer[:end]
        start = head.lower().find(_LENGTH)
        if start < 0:
            self._run.faults.append(f"no content-length: {head[:200]!r}")
            return
        length = int(head[start + len(_LENGTH) :].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + len(_END) + length:
            return
        body = self._buffer[end + len(_END) :]
        self._buffer = b""
        self._run.waiting -= 1
        self._run.take(self._position, self._since, head, body)
        self._run.proceed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._run.over or self._run.waiting:
            self._run.faults.append(f"connection lost: {exc!r}")


async def run(plan: Plan) -> Outcome:
    """Carry out a plan."""
    work = _Run(plan)
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Connection(work), "127.0.0.1", plan.port)
        for _ in range(plan.connections)
    ]
    wall, cpu = time.perf_counter(), time.process_time()
    for _, connection in made:
        work.proceed(connection)
    await work.send_all()
    outcome = Outcome(
        latencies_us=tuple(work.latencies),
        seconds=time.perf_counter() - wall,
        cpu_seconds=time.process_time() - cpu,
        faults=len(work.faults),
        first_fault=work.faults[0] if work.faults else None,
    )
    for transport, _ in made:
        transport.close()
    return outcome


if __name__ == "__main__":
    gc.disable()  # a look through all samples would hold the next request up for milliseconds
    result = uvloop.run(run(Plan.model_validate_json(sys.stdin.buffer.read())))
    sys.stdout.write(result.model_dump_json())
