"""Parts that are killed in the middle of traffic and brought back on the same port."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import polars as pl
import pytest

from cardfraud.contracts.telemetry import hashed
from tests.cardfraud_inference.clients import PREDICT, metric
from tests.cardfraud_inference.ladder.standing import (
    HEALTHY,
    UNREAD,
    Standing,
    ask,
    probability,
    question,
)
from tests.cardfraud_inference.waiting import until
from tests.support.faulty_link import Fault
from tests.support.servers import LOG_KEY, Address

DROPPED = 'cardfraud_prediction_log_rows_total{outcome="dropped"}'
WAITING = "cardfraud_prediction_log_waiting"
LOG_ERRORS = "cardfraud_prediction_log_errors_total"


@dataclass
class Traffic:
    """One client that asks again and again, and what it was answered."""

    address: Address
    asked: list[str] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """Ask until told to stop, or until something is no answer."""
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not stop.is_set() and not self.problems:
                one = question()
                response = client.post(self.address.url + PREDICT, json={"instances": [one]})
                if response.status_code != 200:
                    self.problems.append(f"{response.status_code}: {response.text}")
                    return
                (answer,) = response.json()["predictions"]
                self.asked.append(one["transaction_id"])
                self.answers.append(answer)

    def see(self, more: int, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until so many further answers are as they should be."""
        start = len(self.answers)

        def seen() -> bool:
            assert not self.problems, self.problems
            return sum(condition(one) for one in self.answers[start:]) >= more

        until(seen)


@contextmanager
def traffic(address: Address) -> Iterator[Traffic]:
    """Keep asking while the block runs."""
    going, stop = Traffic(address), threading.Event()
    thread = threading.Thread(target=going.run, args=(stop,))
    thread.start()
    try:
        yield going
    finally:
        stop.set()
        thread.join()


def is_whole(answer: dict[str, Any]) -> bool:
    """The model was asked."""
    return answer["probability"] is not None


def by_rules(answer: dict[str, Any]) -> bool:
    """The model was not asked."""
    return answer["probability"] is None


def logged(standing: Standing, asked: list[str]) -> pl.DataFrame:
    """Rows of the prediction log of these transactions, in the order in which they were asked."""
    objects = standing.objects
    found = [
        pl.read_parquet(io.BytesIO(objects.get(key))) for key in objects.keys("predictions/fraud/")
    ]
    marks = [hashed(one, LOG_KEY.encode()) for one in asked]
    wanted = pl.DataFrame({"transaction_key": marks})
    rows = pl.concat([frame for frame in found if len(frame)]) if found else wanted.head(0)
    return wanted.join(rows, on="transaction_key", how="inner", maintain_order="left")


def check_log(standing: Standing, seen: Traffic) -> None:
    """Every answer is logged once, with what was answered; nothing was dropped."""
    until(lambda: metric(seen.address, WAITING) == 0)
    rows = logged(standing, seen.asked)
    assert len(rows) == len(seen.asked)
    assert rows["score"].to_list() == [one["probability"] for one in seen.answers]
    assert rows["decision"].to_list() == [one["decision"] for one in seen.answers]
    assert metric(seen.address, DROPPED) == 0


@pytest.mark.parametrize(("part", "health"), [("redis", UNREAD), ("predictor", HEALTHY)])
def test_a_part_is_killed_and_brought_back(
    standing: Standing, part: str, health: dict[str, Any]
) -> None:
    """Each answer is whole and right, or the rules'; then whole again, and every row is logged."""
    with traffic(standing.split) as seen:
        seen.see(5, is_whole)
        with standing.killed(part):
            seen.see(5, by_rules)
        seen.see(5, is_whole)
    right = pytest.approx(probability(), abs=1e-6)
    for answer in seen.answers:
        if is_whole(answer):
            found = (answer["probability"], answer["decision"], answer["features"])
            assert found == (right, "approve", HEALTHY)
        else:
            assert (answer["decision"], answer["features"]) == ("review", health)
    check_log(standing, seen)


def test_the_object_store_is_killed_and_brought_back(standing: Standing) -> None:
    """No answer changes; rows wait while it is away, and all of them are written afterwards."""
    if standing.stack.endpoints.s3_server == "moto":
        pytest.skip("moto keeps objects in memory: what is killed comes back empty")
    errors = metric(standing.split, LOG_ERRORS)
    with traffic(standing.split) as seen:
        seen.see(5, is_whole)
        with standing.killed("s3"):
            seen.see(5, is_whole)
            until(lambda: metric(standing.split, LOG_ERRORS) > errors)
            seen.see(5, is_whole)
        seen.see(5, is_whole)
    right = pytest.approx(probability(), abs=1e-6)
    assert {one["decision"] for one in seen.answers} == {"approve"}
    assert all(one["features"] == HEALTHY for one in seen.answers)
    assert [one["probability"] for one in seen.answers] == [right] * len(seen.answers)
    check_log(standing, seen)


@pytest.mark.parametrize("fault", [Fault.STALL, Fault.REFUSE])
def test_the_registry_is_not_needed_while_serving(standing: Standing, fault: Fault) -> None:
    """Bundle, policy and features are in memory: nothing changes but the log's queue."""
    standing.s3.break_(fault)
    answer = ask(standing.fused, transaction_id=f"unregistered-{fault.name}")
    assert answer["probability"] == pytest.approx(probability(), abs=1e-6)
    assert (answer["decision"], answer["features"]) == ("approve", HEALTHY)
    assert metric(standing.fused, WAITING) >= 1
    standing.s3.heal()
    until(lambda: len(logged(standing, [f"unregistered-{fault.name}"])) == 1)
    assert metric(standing.fused, DROPPED) == 0
