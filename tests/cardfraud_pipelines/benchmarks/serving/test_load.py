"""The load tool asks what it says, notices every wrong answer, and hides no wait."""

import asyncio
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cardfraud_pipelines.benchmarks.serving import load
from cardfraud_pipelines.benchmarks.serving.faces import FaceName
from cardfraud_pipelines.benchmarks.serving.load import Outcome, Plan
from cardfraud_pipelines.benchmarks.serving.samples import Sample, Samples
from tests.cardfraud_pipelines.benchmarks.serving.web import Answer, Web, ok, response

SAMPLES = Samples(
    columns=("amount", "is_night"),
    samples=(
        Sample(
            transaction={"transaction_id": "t", "user_id": "u1", "amount": 12.5},
            vector=(12.5, 1.0),
            probability=0.25,
            decision="approve",
        ),
    ),
)
AFTER_THE_STALL_S = 1_000.0
HEALTH = {"degraded": False, "missing": [], "stale": []}


@dataclass
class Clock:
    """Stands still until a test moves it."""

    now: float = 0.0

    def perf_counter(self) -> float:
        """Return the moment that the test has set."""
        return self.now

    def process_time(self) -> float:
        """Return no processor time."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Sleep, though no time passes."""
        time.sleep(seconds)


def decided(**changes: Any) -> bytes:
    """Return the right answer of a transformer, with changes."""
    right = {"probability": 0.25, "decision": "approve", "reasons": [], "features": HEALTH}
    return ok({"predictions": [right | changes]})


def asked(
    folder: Path, answer: Answer, *, face: FaceName = "decision", **plan: Any
) -> tuple[Outcome, list[dict[str, Any]]]:
    """Run a plan against a server that answers so; return the outcome and what it was asked."""
    path = folder / "samples.json"
    SAMPLES.save(path)

    async def both() -> Outcome:
        server, port = await web.start()
        async with server:
            whole = {"connections": 2, "seconds": 0.2, "first": 7} | plan
            return await load.run(Plan(face=face, port=port, samples=path, **whole))

    web = Web(answer)
    return asyncio.run(both()), web.asked


def test_every_request_is_another_transaction(tmp_path: Path) -> None:
    """No transaction is asked about twice, every answer is counted, and right ones are no fault."""

    async def right(_number: int, _body: dict[str, Any]) -> bytes:
        return decided()

    outcome, bodies = asked(tmp_path, right)
    ids = [body["instances"][0]["transaction_id"] for body in bodies]
    assert len(set(ids)) == len(ids) == len(outcome.latencies_us) >= 2
    assert min(ids) == "000000000007"
    assert bodies[0]["instances"][0]["amount"] == 12.5
    assert (outcome.faults, outcome.first_fault) == (0, None)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (decided(probability=0.2501), "probability 0.2501, expected 0.25"),
        (decided(probability=float("nan")), "cannot be read"),
        (decided(probability=None), "cannot be read"),
        (decided(decision="review"), "decision review, expected approve"),
        (decided(features=HEALTH | {"degraded": True}), "less than all"),
        (decided(features=HEALTH | {"missing": ["user"]}), "less than all"),
        (decided(reasons=["large_amount: too much"]), "reasons"),
        (decided(reasons=["amount: 12.50"]), "approved, and yet"),
        (ok({"predictions": []}), "cannot be read"),
        (response("200 OK", b"not JSON"), "cannot be read"),
        (response("503 Service Unavailable", b"gone"), "HTTP/1.1 503: gone"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "no content-length"),
        (None, "connection lost"),
    ],
)
def test_a_wrong_answer_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, said: str
) -> None:
    """A wrong number, decision, status or form is told, and so is an answer on less than all."""
    monkeypatch.setattr(load, "PATIENCE_S", 0.3)

    async def wrong(number: int, _body: dict[str, Any]) -> bytes | None:
        return answer if number == 1 else decided()

    outcome, _ = asked(tmp_path, wrong)
    assert outcome.first_fault is not None
    assert said in outcome.first_fault


def test_a_request_without_an_answer_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that falls silent is noticed when patience ends."""
    monkeypatch.setattr(load, "PATIENCE_S", 0.3)

    async def silent(_number: int, _body: dict[str, Any]) -> bytes:
        await asyncio.sleep(30)
        return decided()

    outcome, _ = asked(tmp_path, silent, connections=1)
    assert outcome.first_fault == "1 requests were never answered"


def test_a_stall_is_in_the_latencies_of_all_that_were_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a rate, requests that fall due while the server stalls have waited for its end."""
    clock = Clock()
    monkeypatch.setattr(load, "time", clock)

    async def stalling(_number: int, _body: dict[str, Any]) -> bytes:
        clock.now = AFTER_THE_STALL_S
        return decided()

    outcome, bodies = asked(tmp_path, stalling, connections=1, seconds=0.05, rate=400.0)
    source, due, moments = random.Random(7), 0.0, []
    while (due := due + source.expovariate(400.0)) <= 0.05:
        moments.append(due)
    assert outcome.faults == 0
    assert len(bodies) == len(moments) > 1
    waited = tuple(round((AFTER_THE_STALL_S - moment) * 1e6) for moment in moments)
    assert outcome.latencies_us == waited


def test_the_baseline_gets_named_values(tmp_path: Path) -> None:
    """The plain server is asked with one number for each column."""

    async def plain(_number: int, body: dict[str, Any]) -> bytes:
        return ok({"prediction": 0, "probability": 0.25 if body["is_night"] == 1.0 else 0.9})

    outcome, bodies = asked(tmp_path, plain, face="baseline")
    assert bodies[0] == {"amount": 12.5, "is_night": 1.0}
    assert outcome.faults == 0
