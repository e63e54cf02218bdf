import io
import time
from collections.abc import Callable
from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from cardfraud.adapters.bundles import load_bundle
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts.telemetry import PREDICTION_COLUMNS, PredictionRecord, hashed
from cardfraud.features.definitions import feature_set_digest
from cardfraud.scoring.session import OnnxScorer
from cardfraud_inference.telemetry.prediction_log import PredictionLog
from cardfraud_pipelines.local import Endpoints
from tests.cardfraud_inference.clients import instance, predict
from tests.cardfraud_inference.conftest import Serving
from tests.support import servers
from tests.support.servers import LOG_KEY, Address
from tests.support.serving_state import NOW
from tests.support.stores import object_store

FOLDER = "predictions/fraud/"
MIDNIGHT_US = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * 1_000_000


def until(done: Callable[[], bool]) -> None:
    """Wait for something that another thread or process does; give up after a minute."""
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.05)


def read(store: ObjectStore) -> pl.DataFrame:
    """All rows of the log."""
    frames = [pl.read_parquet(io.BytesIO(store.get(key))) for key in store.keys(FOLDER)]
    return pl.concat(frames) if frames else pl.DataFrame(schema={"request_id": pl.String})


def row(name: str, served_at_us: int = MIDNIGHT_US) -> PredictionRecord:
    """Return one row."""
    return PredictionRecord(
        request_id=name,
        transaction_key=hashed(name, b"key"),
        event_time_us=served_at_us - 1,
        served_at_us=served_at_us,
        track="stable",
        bundle="sha256-b",
        policy="sha256-p",
        feature_set="sha256:f",
        vector=np.array([0.1, 2.0], dtype="<f4").tobytes(),
        score=None,
        decision="review",
        propensity=1.0,
        degraded=True,
        age_seconds=None,
        latency_ms=1.5,
    )


def log(
    store: ObjectStore, *, rows: int = 2, seconds: float = 600, capacity: int = 100
) -> PredictionLog:
    """Return a log that writes after ``rows`` rows."""
    return PredictionLog(store, "fraud", rows=rows, seconds=seconds, capacity=capacity)


def test_every_decision_is_logged_and_can_be_repeated(serving: Serving) -> None:
    """Each column holds what was answered; the stored vector gives the stored score again."""
    given = [
        instance(transaction_id="log-1"),
        instance(transaction_id="log-2", user_id="nobody", amount=6_000),
    ]
    response = predict(serving.transformer, *given, **{"x-request-id": "to-be-logged"})
    answers = response.json()["predictions"]
    mine = pl.col("request_id") == "to-be-logged"
    until(lambda: len(read(serving.objects).filter(mine)) == 2)
    rows = read(serving.objects).filter(mine)
    assert tuple(rows.columns) == PREDICTION_COLUMNS
    assert rows.schema["event_time"] == pl.Datetime("us", "UTC")
    assert rows["event_time"].to_list() == [NOW] * 2
    key = LOG_KEY.encode()
    assert rows["transaction_key"].to_list() == [hashed(f"log-{i}", key) for i in (1, 2)]
    assert set(rows["bundle"]) == {serving.bundle}
    assert set(rows["policy"]) == {serving.policy}
    assert set(rows["feature_set"]) == {feature_set_digest()}
    assert set(rows["track"]) == {"stable"}
    assert rows["decision"].to_list() == [one["decision"] for one in answers]
    assert rows["score"].to_list() == [one["probability"] for one in answers]
    assert rows["propensity"].to_list() == [1.0, 1.0]
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
    serving.supervisor.stop("stopping")
    assert len(read(serving.objects).filter(mine)) == 1


def test_a_full_file_is_written_at_once_and_the_rest_after_a_while(endpoints: Endpoints) -> None:
    """Rows are written when there are enough, or when they have waited long enough."""
    store = object_store(endpoints)
    writing = log(store, rows=2, seconds=0.3)
    writing.add([row("a"), row("b"), row("c")])
    until(lambda: read(store).height == 3)
    assert sorted(read(store)["request_id"]) == ["a", "b", "c"]
    writing.close(5)


def test_rows_of_two_days_go_to_two_partitions(endpoints: Endpoints) -> None:
    """A file belongs to the UTC day on which its rows were served, and to one writer."""
    store = object_store(endpoints)
    writing = log(store)
    writing.add([row("before", MIDNIGHT_US - 1), row("after", MIDNIGHT_US)])
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
    writing.add([row(str(number)) for number in range(7)])
    writing.close(30)
    assert sorted(read(store)["request_id"]) == [str(number) for number in range(7)]


def test_two_writers_never_meet(endpoints: Endpoints) -> None:
    """Logs of two processes of one day do not overwrite each other."""
    store = object_store(endpoints)
    for name in ("a", "b"):
        writing = log(store)
        writing.add([row(name)])
        writing.close(5)
    assert sorted(read(store)["request_id"]) == ["a", "b"]


def test_an_object_store_that_fails_is_tried_again(endpoints: Endpoints) -> None:
    """Nothing is lost while the queue holds: rows are written once the store takes them."""
    missing = object_store(Endpoints(**{**vars(endpoints), "bucket": f"{endpoints.bucket}-late"}))
    writing = log(missing)
    writing.add([row("a"), row("b")])
    writing.add([row("c")])
    endpoints.s3_client().create_bucket(Bucket=missing.bucket)
    until(lambda: read(missing).height >= 2)
    writing.close(5)
    assert sorted(read(missing)["request_id"]) == ["a", "b", "c"]


def test_what_does_not_fit_is_dropped_and_counted(endpoints: Endpoints) -> None:
    """The queue is bounded: further rows are dropped, counted, and never waited for."""
    from prometheus_client import REGISTRY

    def counted(outcome: str) -> float:
        name = "cardfraud_prediction_log_rows_total"
        return REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0.0

    before = {outcome: counted(outcome) for outcome in ("queued", "dropped", "written")}
    missing = object_store(Endpoints(**{**vars(endpoints), "bucket": f"{endpoints.bucket}-never"}))
    writing = log(missing, rows=2, capacity=5)
    for number in range(4):
        writing.add([row(f"{number}-{i}") for i in range(2)])
    grown = {outcome: counted(outcome) - value for outcome, value in before.items()}
    assert grown == {"queued": 5, "dropped": 3, "written": 0}
    writing.close(0.1)
    assert counted("dropped") - before["dropped"] == 8
