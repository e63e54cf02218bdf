"""Windows on one server go on where the last one ended."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from cardfraud_pipelines.benchmarks.serving.deployments import Target
from cardfraud_pipelines.benchmarks.serving.samples import Sample, Samples
from cardfraud_pipelines.benchmarks.serving.window import Meter
from tests.cardfraud_pipelines.benchmarks.serving.web import Web, ok

SAMPLE = Sample(
    transaction={"transaction_id": "t"}, vector=(1.0,), probability=0.25, decision="approve"
)
HEALTH = {"degraded": False, "missing": [], "stale": []}
ANSWER = {"probability": 0.25, "decision": "approve", "reasons": [], "features": HEALTH}


async def right(_number: int, _body: dict[str, Any]) -> bytes:
    """Answer as a transformer does."""
    return ok({"predictions": [ANSWER]})


@contextmanager
def served(web: Web) -> Iterator[int]:
    """Serve in a thread; yield the port."""
    ports: list[int] = []
    ready, over = Event(), Event()

    async def serve() -> None:
        server, port = await web.start()
        async with server:
            ports.append(port)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield ports[0]
    finally:
        over.set()
        thread.join()


def test_no_transaction_is_numbered_twice(tmp_path: Path) -> None:
    """A server sees each number once, also by a meter that asks something else meanwhile."""
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    for path in (first, second):
        Samples(columns=("amount",), samples=(SAMPLE,)).save(path)
    meter = Meter(first, os.getpid())
    with served(web := Web(right)) as port, served(other := Web(right)) as other_port:
        target = Target("fused", "decision", port, (os.getpid(),))
        windows = [
            asking.measure(target, connections=1, seconds=0.1)
            for asking in (meter, meter.asking(second), meter)
        ]
        beside = Target("split", "decision", other_port, (os.getpid(),))
        meter.measure(beside, connections=1, seconds=0.1)
    numbers = [int(body["instances"][0]["transaction_id"]) for body in web.asked]
    assert numbers == list(range(sum(one.requests for one in windows)))
    assert meter.answered["fused"] == len(numbers)
    assert int(other.asked[0]["instances"][0]["transaction_id"]) == 0  # the same as all others
