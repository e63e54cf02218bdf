import dataclasses
import gc
import io
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from prometheus_client import REGISTRY

from cardfraud.adapters.bundles import load_bundle
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.telemetry import (
    PREDICTION_COLUMNS,
    Pseudonyms,
    ServedDecisions,
    ServedVersions,
    hashed,
)
from cardfraud.errors import Conflict, NotFound, Unavailable
from cardfraud.features.definitions import feature_set_digest
from cardfraud.scoring.session import OnnxScorer
from cardfraud_inference.telemetry.prediction_journal import HeldFile, Journal
from cardfraud_inference.telemetry.prediction_log import Destination, PredictionLog
from cardfraud_inference.telemetry.prediction_table import encode
from cardfraud_pipelines.local import Endpoints
from tests.cardfraud_inference.clients import instance, metric, predict
from tests.cardfraud_inference.conftest import Serving
from tests.cardfraud_inference.waiting import until
from tests.support import servers
from tests.support.servers import LOG_KEY, Address
from tests.support.serving_state import NOW
from tests.support.stores import object_store

FOLDER = "predictions/fraud/"
KEY = b"key"
MIDNIGHT_US = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * 1_000_000
VERSIONS = ServedVersions("stable", "sha256-b", "sha256-p", "sha256:f", ("amount",))


def read(store: ObjectStore) -> pl.DataFrame:
    """All rows of the log."""
    frames = [pl.read_parquet(io.BytesIO(store.get(key))) for key in store.keys(FOLDER)]
    schema = {"request_id": pl.String, "transaction_key": pl.String}
    return pl.concat(frames) if frames else pl.DataFrame(schema=schema)


def holds(rows: pl.DataFrame, names: str) -> bool:
    """Whether the rows are those of these transactions, one letter each."""
    return sorted(rows["transaction_key"]) == sorted(hashed(name, KEY) for name in names)


def served(names: str, served_at_us: int = MIDNIGHT_US) -> ServedDecisions:
    """Return the decisions of one request, on transactions whose names are one letter each."""
    number = len(names)
    return ServedDecisions(
        versions=VERSIONS,
        request_id=names[0],
        served_at_us=served_at_us,
        latency_ms=1.5,
        transaction_ids=list(names),
        event_times_us=[served_at_us - 1] * number,
        vector=np.array([[0.1, 2.0]] * number, dtype=np.float32),
        scores=None,
        decisions=["review"] * number,
        degraded=[True] * number,
        ages=[None] * number,
        rule_values=[np.full(number, 57.16)],
    )


def counted(outcome: str) -> float:
    """Rows of that outcome in this process."""
    name = "cardfraud_prediction_log_rows_total"
    return REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0.0


class Failing:
    """A destination whose first writes fail; it keeps the others, and counts all."""

    def __init__(self, error: Exception, *, failures: int) -> None:
        """Fail so many times with this error."""
        self._error, self._failures = error, failures
        self.attempts = 0
        self.files: dict[str, bytes] = {}

    @property
    def rows(self) -> pl.DataFrame:
        """All rows that were written."""
        return pl.concat([pl.read_parquet(io.BytesIO(file)) for file in self.files.values()])

    def put_if_absent(self, key: str, content: bytes) -> str:
        """Write a file, or fail."""
        self.attempts += 1
        if self.attempts <= self._failures:
            raise self._error
        if key in self.files:
            raise Conflict(key, "it is there")
        self.files[key] = content
        return key

    def get(self, key: str) -> bytes:
        """Read a file."""
        if key not in self.files:
            raise NotFound("object", key)
        return self.files[key]


class Losing(Failing):
    """A destination that writes, and whose answer to the first write is lost on the way."""

    def put_if_absent(self, key: str, content: bytes) -> str:
        """Write a file."""
        written = super().put_if_absent(key, content)
        if self.attempts == 1:
            raise Unavailable("object store", "it did not answer")
        return written


def log(
    store: Destination,
    *,
    rows: int = 2,
    seconds: float = 600,
    capacity: int = 100,
    journal: Path | None = None,
    first_pause_s: float = 0.05,
) -> PredictionLog:
    """Return a log that writes after ``rows`` rows."""
    return PredictionLog(
        store,
        "fraud",
        key=KEY,
        rows=rows,
        seconds=seconds,
        capacity=capacity,
        journal=journal,
        first_pause_s=first_pause_s,
    )


def test_every_decision_is_logged_and_can_be_repeated(serving: Serving) -> None:
    """Each column holds what was answered; the stored vector gives the stored score again."""
    moments = [NOW + timedelta(hours=1), NOW, NOW + timedelta(days=5)]
    given = [
        instance(transaction_id="log-1", event_time=moments[0].isoformat()),
        instance(transaction_id="log-2", user_id="nobody", merchant_id="nowhere", amount=6_000),
        instance(transaction_id="log-3", event_time=moments[2].isoformat()),
    ]
    response = predict(serving.transformer, *given, **{"x-request-id": "to-be-logged"})
    answers = response.json()["predictions"]
    mine = pl.col("request_id") == "to-be-logged"
    until(lambda: len(read(serving.objects).filter(mine)) == 3)
    rows = read(serving.objects).filter(mine)
    assert tuple(rows.columns) == PREDICTION_COLUMNS
    assert rows.schema["event_time"] == pl.Datetime("us", "UTC")
    assert rows["event_time"].to_list() == moments
    key = LOG_KEY.encode()
    assert rows["transaction_key"].to_list() == [hashed(f"log-{i}", key) for i in (1, 2, 3)]
    assert set(rows["bundle"]) == {serving.bundle}
    assert set(rows["policy"]) == {serving.policy}
    assert set(rows["feature_set"]) == {feature_set_digest()}
    assert set(rows["track"]) == {"stable"}
    assert rows["decision"].to_list() == [one["decision"] for one in answers]
    assert rows["score"].to_list() == [one["probability"] for one in answers]
    assert rows["propensity"].to_list() == [1.0] * 3
    assert rows["degraded"].to_list() == [False, False, True]
    assert rows["age_seconds"].to_list() == [3_600.0, None, None]
    assert (rows["latency_ms"] > 0).all()
    bundle = load_bundle(serving.objects, "fraud", serving.bundle)
    vectors = np.array(rows["vector"].to_list(), dtype=np.float32)
    again = OnnxScorer(bundle.model, bundle.signature).score(vectors)
    np.testing.assert_allclose(again, rows["score"].to_numpy(), atol=1e-6)


def test_the_rest_is_written_when_the_server_is_told_to_stop(serving: Serving) -> None:
    """Rows that wait for a file to fill are written at SIGTERM, before the process ends."""
    address = Address()
    part = servers.transformer(
        address,
        serving.storage,
        bundle=serving.bundle,
        policy=serving.policy,
        predictor_at=serving.predictor,
        name="stopping",
        prediction_log_seconds="600",
    )
    serving.supervisor.run(part)
    assert predict(address, instance(), **{"x-request-id": "before-the-end"}).status_code == 200
    mine = pl.col("request_id") == "before-the-end"
    assert read(serving.objects).filter(mine).is_empty()
    assert metric(address, "cardfraud_prediction_log_waiting") == 1
    serving.supervisor.stop("stopping")
    assert len(read(serving.objects).filter(mine)) == 1


def test_a_full_file_is_written_at_once_and_the_rest_after_a_while(endpoints: Endpoints) -> None:
    """Rows are written when there are enough, or when they have waited long enough."""
    store = object_store(endpoints)
    writing = log(store, rows=2, seconds=0.3)
    for name in "abc":
        writing.add(served(name))
    until(lambda: read(store).height == 3)
    assert holds(read(store), "abc")
    assert len(list(store.keys(FOLDER))) == 2
    writing.close(5)


def test_rows_of_two_days_go_to_two_partitions(endpoints: Endpoints) -> None:
    """A file belongs to the UTC day on which its rows were served, and to one writer."""
    store = object_store(endpoints)
    writing = log(store)
    writing.add(served("a", MIDNIGHT_US - 1))
    writing.add(served("b", MIDNIGHT_US))
    writing.close(5)
    days = [date(2026, 3, 1), date(2026, 3, 2)]
    assert [key.rpartition("/")[0] for key in store.keys(FOLDER)] == [
        f"{FOLDER}date={day}" for day in days
    ]
    assert all(writing.writer in key for key in store.keys(FOLDER))


def test_closing_writes_every_row_that_waits(endpoints: Endpoints) -> None:
    """Also where that takes several files."""
    store = object_store(endpoints)
    writing = log(store)
    for name in "abcdefg":
        writing.add(served(name))
    writing.close(30)
    assert holds(read(store), "abcdefg")


def test_what_comes_after_closing_is_dropped_and_counted() -> None:
    """A decision that is answered while the server ends is not lost in silence."""
    writing = log(Failing(RuntimeError(), failures=0))
    writing.close(5)
    before = counted("dropped")
    writing.add(served("ab"))
    assert counted("dropped") - before == 2


def test_two_writers_never_meet(endpoints: Endpoints) -> None:
    """Logs of two processes of one day do not overwrite each other."""
    store = object_store(endpoints)
    for name in "ab":
        writing = log(store)
        writing.add(served(name))
        writing.close(5)
    assert holds(read(store), "ab")


def test_an_object_store_that_fails_is_tried_again(endpoints: Endpoints) -> None:
    """Nothing is lost while the queue holds: rows are written once the store takes them."""
    missing = object_store(Endpoints(**{**vars(endpoints), "bucket": f"{endpoints.bucket}-late"}))
    writing = log(missing)
    writing.add(served("ab"))
    writing.add(served("c"))
    endpoints.s3_client().create_bucket(Bucket=missing.bucket)
    until(lambda: read(missing).height >= 2)
    writing.close(5)
    assert holds(read(missing), "abc")


def test_a_write_whose_answer_was_lost_counts_once() -> None:
    """The second try finds the file of the first one; its rows are written, once."""
    store = Losing(RuntimeError(), failures=0)
    before = counted("written")
    writing = log(store)
    writing.add(served("ab"))
    until(lambda: counted("written") - before == 2)
    writing.close(5)
    assert store.attempts == 2
    assert holds(store.rows, "ab")


def test_what_does_not_fit_is_dropped_and_counted(endpoints: Endpoints) -> None:
    """The queue is bounded: further rows are dropped, counted, and never waited for."""
    before = {outcome: counted(outcome) for outcome in ("queued", "dropped", "written")}
    missing = object_store(Endpoints(**{**vars(endpoints), "bucket": f"{endpoints.bucket}-never"}))
    writing = log(missing, rows=2, capacity=5)
    for names in ("ab", "cd", "ef", "gh"):
        writing.add(served(names))
    grown = {outcome: counted(outcome) - value for outcome, value in before.items()}
    assert grown == {"queued": 5, "dropped": 3, "written": 0}
    writing.close(0.1)
    assert counted("dropped") - before["dropped"] == 8


def test_rows_that_come_do_not_end_the_pause_after_a_failure() -> None:
    """While a pause lasts nothing is tried, however many rows come; closing tries once more."""
    store = Failing(Unavailable("object store", "it is away"), failures=10)
    writing = log(store, capacity=1_000, first_pause_s=3_600)
    writing.add(served("ab"))
    until(lambda: store.attempts > 0)
    for _ in range(30):
        writing.add(served("cd"))
        time.sleep(0.005)  # so that a thread that is woken gets to run
    assert store.attempts == 1
    writing.close(0)
    assert store.attempts == 2


def test_an_error_that_nobody_foresaw_is_tried_again() -> None:
    """Whatever a client library raises, the thread lives on and the rows are written."""
    store = Failing(RuntimeError("a bug of a library"), failures=1)
    writing = log(store)
    writing.add(served("ab"))
    until(lambda: bool(store.files))
    writing.add(served("c"))
    writing.close(5)
    assert holds(store.rows, "abc")


def test_what_does_not_fit_is_not_kept() -> None:
    """While the store is away, only as many decisions are in memory as may wait."""
    writing = log(Failing(Unavailable("object store", "away"), failures=10**6), capacity=50)
    for _ in range(500):
        writing.add(served("a"))
    gc.collect()
    kept = sum(isinstance(thing, ServedDecisions) for thing in gc.get_objects())
    writing.close(0)
    assert kept <= 50


def killed(path: Path, *, lost: int, rows: int) -> HeldFile:
    """Leave the journal of a process that was killed while it wrote a file; return the file."""
    journal = Journal.open(path, "a" * 32, "fraud")
    assert journal is not None
    held = HeldFile("a" * 32, date(2026, 3, 2), 7, rows)
    journal.offer(lost + rows)
    journal.hold(held)
    journal.close()
    return held


def key_of(file: HeldFile) -> str:
    """Where the file lies when it is written."""
    return keys.predictions("fraud", file.day, file.writer, file.number)


def test_rows_that_a_killed_process_had_are_lost_and_counted(tmp_path: Path) -> None:
    """Also those of the file that it was writing, which now can never come."""
    store, before = Failing(RuntimeError(), failures=0), counted("lost")
    file = killed(tmp_path / "journal", lost=5, rows=3)
    writing = log(store, journal=tmp_path / "journal")
    until(lambda: counted("lost") - before == 8)
    with pytest.raises(Conflict):
        store.put_if_absent(key_of(file), b"what the killed process had sent")
    writing.add(served("ab"))
    writing.close(5)
    assert holds(store.rows, "ab")


def test_a_file_that_a_killed_process_had_written_is_not_lost(tmp_path: Path) -> None:
    """It was killed after the store had taken the file and before it knew."""
    store, before = Failing(RuntimeError(), failures=0), counted("lost")
    file = killed(tmp_path / "journal", lost=5, rows=3)
    store.files[key_of(file)] = encode([served("abc")], Pseudonyms(KEY))
    writing = log(store, journal=tmp_path / "journal")
    writing.close(5)
    assert counted("lost") - before == 5
    assert holds(store.rows, "abc")


def test_a_file_is_lost_once_whoever_finds_out(tmp_path: Path) -> None:
    """A process that was killed after it had found out, and before it told, leaves it again."""
    store, before = Failing(RuntimeError(), failures=0), counted("lost")
    file = killed(tmp_path / "journal", lost=0, rows=3)
    store.files[key_of(file)] = encode([], Pseudonyms(KEY))
    log(store, journal=tmp_path / "journal").close(5)
    assert counted("lost") - before == 3
    log(store, journal=tmp_path / "journal").close(5)
    assert counted("lost") - before == 3


def test_a_file_under_way_at_the_end_is_left_to_the_next_process(tmp_path: Path) -> None:
    """Nobody knows of it: it is neither dropped nor written until the next one has asked."""
    away = Failing(Unavailable("object store", "away"), failures=10**6)
    before = {outcome: counted(outcome) for outcome in ("dropped", "lost")}
    writing = log(away, journal=tmp_path / "journal")
    writing.add(served("ab"))
    writing.add(served("c"))
    until(lambda: away.attempts > 0)
    writing.close(0)
    assert counted("dropped") - before["dropped"] == 1
    store = Failing(RuntimeError(), failures=0)
    log(store, journal=tmp_path / "journal").close(5)
    assert counted("lost") - before["lost"] == 2


def test_without_a_journal_a_file_under_way_counts_as_dropped() -> None:
    """Nobody will ever find out, so the count is the highest that it can be."""
    away, before = Failing(Unavailable("object store", "away"), failures=10**6), counted("dropped")
    writing = log(away)
    writing.add(served("ab"))
    writing.add(served("c"))
    until(lambda: away.attempts > 0)
    writing.close(0)
    assert counted("dropped") - before == 3


def test_a_journal_that_another_process_uses_stops_nothing(tmp_path: Path) -> None:
    """The second log goes without, and writes all the same."""
    store = Failing(RuntimeError(), failures=0)
    first = log(store, journal=tmp_path / "journal")
    second = log(store, journal=tmp_path / "journal")
    second.add(served("ab"))
    second.close(5)
    first.add(served("cd"))
    first.close(5)
    assert holds(store.rows, "abcd")


WRONG = {
    "a vector too few": {"vector": np.zeros((1, 2), dtype=np.float32)},
    "a score too many": {"scores": [0.1, 0.2, 0.3]},
    "a column too few for the rules": {"rule_values": []},
    "a text in place of a time": {"event_times_us": ["noon", "noon"]},
    "an id that is no text": {"transaction_ids": [1, 2]},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_only_rows_that_no_file_can_hold_are_dropped(change: dict[str, Any]) -> None:
    """Decisions that are wrong are dropped and counted; those that wait with them are written."""
    store = Failing(RuntimeError(), failures=0)
    before = counted("dropped")
    writing = log(store, rows=4)
    writing.add(served("a"))
    writing.add(dataclasses.replace(served("xy"), **change))
    writing.add(served("b"))
    until(lambda: bool(store.files))
    writing.add(served("cdef"))
    until(lambda: len(store.files) == 2)
    writing.close(5)
    assert holds(store.rows, "abcdef")
    assert counted("dropped") - before == 2
