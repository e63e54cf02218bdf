"""The prediction log of a real server whose object store hangs, goes away, and comes back.

In the end the server is killed. Whatever happens, every decision that was answered is in the log,
or is counted as dropped, or is counted as lost.
"""

import dataclasses
import http.client
import json
import secrets
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.prediction_log import read_predictions
from cardfraud.contracts.days import DayRange
from cardfraud.contracts.telemetry import Pseudonyms
from cardfraud_pipelines.local.part import Part
from tests.cardfraud_inference.clients import PREDICT, instance, metric
from tests.cardfraud_inference.conftest import Serving
from tests.cardfraud_inference.waiting import until
from tests.support import servers
from tests.support.faulty_link import Fault, FaultyLink
from tests.support.servers import LOG_KEY, Address
from tests.support.stores import object_store

CONNECTIONS = 8
ROWS = 50
"""Rows of a file."""
QUEUE = 300
"""Rows that may wait."""


def ask(address: Address, ids: Iterable[str]) -> set[str]:
    """Ask about each transaction, over several connections at a time; return what was answered.

    A connection that breaks is not opened again, and its transaction does not count as answered.
    """
    waiting, lock = iter(ids), threading.Lock()
    answered: set[str] = set()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", address.http, timeout=60)
        while True:
            with lock:
                name = next(waiting, None)
            if name is None:
                break
            body = json.dumps({"instances": [instance(transaction_id=name)]})
            try:
                connection.request("POST", PREDICT, body, {"content-type": "application/json"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                break
            assert answer.status == http.client.OK
            with lock:
                answered.add(name)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answered


@dataclass
class Log:
    """A transformer with a journal, behind a link to the object store, and a bucket of its own."""

    serving: Serving
    objects: ObjectStore
    link: FaultyLink
    journal: Path
    address: Address = field(default_factory=Address)

    def start(self, name: str, queue: int) -> None:
        """Start one on the journal, on a port of its own."""
        self.address = Address()
        through = {
            "CARDFRAUD_S3_BUCKET": self.objects.bucket,
            "CARDFRAUD_S3_ENDPOINT_URL": f"http://127.0.0.1:{self.link.port}",
            "CARDFRAUD_S3_READ_TIMEOUT_S": "1",
            "CARDFRAUD_S3_ATTEMPTS": "1",
        }
        part: Part = servers.transformer(
            self.address,
            self.serving.storage | through,
            bundle=self.serving.bundle,
            policy=self.serving.policy,
            predictor_at=None,
            name=name,
            prediction_log_rows=str(ROWS),
            prediction_log_seconds="0.2",
            prediction_log_queue=str(queue),
            prediction_log_journal=str(self.journal),
            policy_refresh_s="0",
            access_log="false",
        )
        self.serving.supervisor.run(part)

    def kill(self, name: str) -> None:
        """End it as SIGKILL does: its guardian is killed, which takes the server with it."""
        guardian = self.serving.supervisor._parts[name]._guardian
        guardian.kill()
        guardian.wait()
        self.serving.supervisor.stop(name)

    def rows(self, outcome: str) -> int:
        """Rows of that outcome, by the server's count."""
        series = f'cardfraud_prediction_log_rows_total{{outcome="{outcome}"}}'
        return int(metric(self.address, series))

    def waiting(self) -> int:
        """Rows that wait."""
        return int(metric(self.address, "cardfraud_prediction_log_waiting"))

    def logged(self, ids: Iterable[str]) -> set[str]:
        """Which of these transactions are in the log."""
        names = list(ids)
        today = datetime.now(UTC).date()
        days = DayRange(start=today - timedelta(days=1), end=today)
        read = read_predictions(self.objects, "fraud", days)
        assert read.set_aside == ()
        assert read.repeated == 0
        keys = set(read.frame["transaction_key"])
        hashes = Pseudonyms(LOG_KEY.encode()).of(names)
        return {name for name, key in zip(names, hashes, strict=True) if key in keys}


@pytest.fixture
def log(serving: Serving, tmp_path: Path) -> Iterator[Log]:
    """Nothing is started yet; the bucket has what a server opens."""
    endpoints = dataclasses.replace(serving.endpoints, bucket=f"log-{secrets.token_hex(6)}")
    endpoints.s3_client().create_bucket(Bucket=endpoints.bucket)
    objects = object_store(endpoints)
    for prefix in ("models/", "policies/", "feast/"):
        for key in serving.objects.keys(prefix):
            objects.put(key, serving.objects.get(key))
    port = urlsplit(serving.endpoints.s3_url).port
    assert port is not None
    with FaultyLink(port) as link:
        yield Log(serving, objects, link, tmp_path / "journal")


def names(kind: str, number: int) -> list[str]:
    """Ids that nothing else has."""
    return [f"{kind}-{place}" for place in range(number)]


def survive_a_hanging_store(log: Log) -> list[str]:
    """All is answered, the queue holds no more than it may, and is written later; the ids."""
    log.link.break_(Fault.STALL)
    hung = names("hung", 2 * QUEUE)
    assert ask(log.address, hung) == set(hung)
    assert log.waiting() == QUEUE
    assert log.rows("dropped") == QUEUE
    log.link.heal()
    until(lambda: log.waiting() == 0)
    assert len(log.logged(hung)) == QUEUE
    return hung


def survive_a_store_that_is_gone(log: Log) -> list[str]:
    """Nothing is lost while the queue holds. Returns the ids."""
    log.link.break_(Fault.REFUSE)
    gone = names("gone", QUEUE // 2)
    assert ask(log.address, gone) == set(gone)
    log.link.heal()
    until(lambda: log.waiting() == 0)
    assert log.logged(gone) == set(gone)
    return gone


@pytest.mark.slow
def test_every_answer_is_written_or_dropped_or_lost(log: Log) -> None:
    """The store hangs, goes and returns, and two servers are killed: every row is accounted for."""
    log.start("first", queue=QUEUE)
    asked = names("healthy", 500)
    assert ask(log.address, asked) == set(asked)
    until(lambda: log.logged(asked) == set(asked))
    asked += survive_a_hanging_store(log) + survive_a_store_that_is_gone(log)

    log.link.break_(Fault.STALL)
    last = names("last", QUEUE // 2)
    assert ask(log.address, last) == set(last)
    asked += last
    dropped = log.rows("dropped")
    log.kill("first")
    log.link.heal()  # the file that was on its way may still arrive, or not

    log.start("second", queue=10_000)
    until(lambda: len(log.logged(asked)) + dropped + log.rows("lost") == len(asked))
    assert log.rows("lost") >= len(last) - ROWS

    cut = names("cut", 3_000)
    answered: set[str] = set()
    client = threading.Thread(target=lambda: answered.update(ask(log.address, cut)))
    client.start()
    until(lambda: log.rows("queued") >= 1_000)
    log.kill("second")
    client.join()
    assert 1_000 - CONNECTIONS <= len(answered) < len(cut)

    log.start("third", queue=10_000)
    # A kill finds at most one question of each connection decided but not yet answered.
    most = len(answered) + CONNECTIONS
    until(lambda: len(answered) <= len(log.logged(cut)) + log.rows("lost") <= most)
    assert len(answered - log.logged(cut)) <= log.rows("lost")
    log.serving.supervisor.stop("third")
