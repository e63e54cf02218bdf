import dataclasses
import gc
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from cardfraud.adapters.bundles import load_bundle
from cardfraud.contracts.telemetry import PREDICTION_COLUMNS, hashed
from cardfraud.errors import Unavailable
from cardfraud.features.definitions import feature_set_digest
from cardfraud.scoring.session import OnnxScorer
from cardfraud_inference.telemetry.packed_decisions import PackedDecisions
from cardfraud_pipelines.local import Endpoints
from tests.cardfraud_inference.clients import instance, metric, predict
from tests.cardfraud_inference.conftest import Serving
from tests.cardfraud_inference.prediction_logs import (
    FOLDER,
    Failing,
    Losing,
    counted,
    holds,
    log,
    read,
)
from tests.cardfraud_inference.waiting import until
from tests.support import servers
from tests.support.predictions import LOG_KEY, VERSIONS, decisions
from tests.support.servers import Address
from tests.support.serving_state import NOW
from tests.support.stores import object_store

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


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
    assert rows["transaction_key"].to_list() == [hashed(f"log-{i}", LOG_KEY) for i in (1, 2, 3)]
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
        writing.add(decisions(name))
    until(lambda: read(store).height == 3)
    assert holds(read(store), "abc")
    assert len(list(store.keys(FOLDER))) == 2
    writing.close(5)


def test_rows_of_two_days_go_to_two_partitions(endpoints: Endpoints) -> None:
    """A file belongs to the UTC day on which its rows were served, and to one writer."""
    store = object_store(endpoints)
    writing = log(store)
    writing.add(decisions("a", served_at=MIDNIGHT - timedelta(microseconds=1)))
    writing.add(decisions("b", served_at=MIDNIGHT))
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
        writing.add(decisions(name))
    writing.close(30)
    assert holds(read(store), "abcdefg")


def test_what_comes_after_closing_is_dropped_and_counted() -> None:
    """A decision that is answered while the server ends is not lost in silence."""
    writing = log(Failing(RuntimeError(), failures=0))
    writing.close(5)
    before = counted("dropped")
    writing.add(decisions("ab"))
    assert counted("dropped") - before == 2


def test_two_writers_never_meet(endpoints: Endpoints) -> None:
    """Logs of two processes of one day do not overwrite each other."""
    store = object_store(endpoints)
    for name in "ab":
        writing = log(store)
        writing.add(decisions(name))
        writing.close(5)
    assert holds(read(store), "ab")


def test_an_object_store_that_fails_is_tried_again(endpoints: Endpoints) -> None:
    """Nothing is lost while the queue holds: rows are written once the store takes them."""
    missing = object_store(Endpoints(**{**vars(endpoints), "bucket": f"{endpoints.bucket}-late"}))
    writing = log(missing)
    writing.add(decisions("ab"))
    writing.add(decisions("c"))
    endpoints.s3_client().create_bucket(Bucket=missing.bucket)
    until(lambda: read(missing).height >= 2)
    writing.close(5)
    assert holds(read(missing), "abc")


def test_a_write_whose_answer_was_lost_counts_once() -> None:
    """The second try finds the file of the first one; its rows are written, once."""
    store = Losing(RuntimeError(), failures=0)
    before = counted("written")
    writing = log(store)
    writing.add(decisions("ab"))
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
        writing.add(decisions(names))
    grown = {outcome: counted(outcome) - value for outcome, value in before.items()}
    assert grown == {"queued": 5, "dropped": 3, "written": 0}
    writing.close(0.1)
    assert counted("dropped") - before["dropped"] == 8


def test_rows_that_come_do_not_end_the_pause_after_a_failure() -> None:
    """While a pause lasts nothing is tried, however many rows come; closing tries once more."""
    store = Failing(Unavailable("object store", "it is away"), failures=10)
    writing = log(store, capacity=1_000, first_pause_s=3_600)
    writing.add(decisions("ab"))
    until(lambda: store.attempts > 0)
    for _ in range(30):
        writing.add(decisions("cd"))
        time.sleep(0.005)  # so that a thread that is woken gets to run
    assert store.attempts == 1
    writing.close(0)
    assert store.attempts == 2


def test_an_error_that_nobody_foresaw_is_tried_again() -> None:
    """Whatever a client library raises, the thread lives on and the rows are written."""
    store = Failing(RuntimeError("a bug of a library"), failures=1)
    writing = log(store)
    writing.add(decisions("ab"))
    until(lambda: bool(store.files))
    writing.add(decisions("c"))
    writing.close(5)
    assert holds(store.rows, "abc")


def test_what_does_not_fit_is_not_kept() -> None:
    """While the store is away, only as many decisions are in memory as may wait."""
    writing = log(Failing(Unavailable("object store", "away"), failures=10**6), capacity=50)
    for _ in range(500):
        writing.add(decisions("a"))
    gc.collect()
    kept = sum(isinstance(thing, PackedDecisions) for thing in gc.get_objects())
    writing.close(0)
    assert 0 < kept <= 50


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
    writing = log(store, rows=2)
    writing.add(decisions("a"))
    writing.add(dataclasses.replace(decisions("xy"), **change))
    writing.add(decisions("b"))
    until(lambda: bool(store.files))
    writing.add(decisions("cdef"))
    until(lambda: len(store.files) == 2)
    writing.close(5)
    assert holds(store.rows, "abcdef")
    assert counted("dropped") - before == 2


def test_a_file_that_cannot_be_made_costs_its_own_rows_only() -> None:
    """Rows of versions that have no text are dropped and counted; the log goes on with others."""
    store = Failing(RuntimeError(), failures=0)
    before = counted("dropped")
    writing = log(store, rows=2)
    writing.add(decisions("xy", versions=dataclasses.replace(VERSIONS, track=1)))  # type: ignore[arg-type]
    until(lambda: counted("dropped") - before == 2)
    writing.add(decisions("ab"))
    writing.close(5)
    assert holds(store.rows, "ab")
    assert counted("dropped") - before == 2


def test_of_a_request_that_fits_in_part_the_first_rows_are_written() -> None:
    """The queue has room for three more rows: of four, the last is dropped and counted."""
    store = Failing(Unavailable("object store", "away"), failures=1)
    before = counted("dropped")
    writing = log(store, rows=2, capacity=5)
    writing.add(decisions("ab"))
    writing.add(decisions("cdef"))
    until(lambda: len(store.files) == 2)
    writing.close(5)
    assert holds(store.rows, "abcde")
    assert counted("dropped") - before == 1
