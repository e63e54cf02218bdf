import json
import socket

import numpy as np
import polars as pl
import pytest

from cardfraud.adapters.candidates import checkout, read_candidate_file
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.registry import Tracking
from cardfraud.contracts.bundle import Signature
from cardfraud.contracts.candidate import Candidate, DatasetManifest
from cardfraud.errors import IntegrityError, InvalidSetting, Unavailable
from cardfraud.features.batch import vector_from_frame
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.features.values import vector
from cardfraud.models.parity import onnx_probability
from cardfraud.models.training import TrainedModel
from cardfraud.steps.train.choice import choose
from cardfraud.steps.train.rows import read_splits
from cardfraud.steps.train.step import TrainResult, run
from cardfraud_pipelines.local import Endpoints
from tests.support.cards import Cards, cards
from tests.support.onnx_graphs import constant_graph
from tests.support.stores import object_store
from tests.support.training import config, days

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TABLES = cards()
ALGORITHMS = ("logistic_regression", "random_forest", "gradient_boosting")


@pytest.fixture(scope="module")
def store(tracked: Endpoints) -> ObjectStore:
    """Return a store with 42 days of transactions and labels."""
    store = object_store(tracked)
    TABLES.store(store)
    return store


@pytest.fixture(scope="module")
def results(store: ObjectStore, tracking: Tracking) -> dict[str, TrainResult]:
    """Train each estimator once."""
    return {name: run(config(name), store, TABLES, tracking) for name in ALGORITHMS}


def _frame(store: ObjectStore, candidate: Candidate, file: str) -> pl.DataFrame:
    return pl.read_parquet(read_candidate_file(store, candidate, file))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_graph_agrees_with_the_estimator_on_every_test_row(
    store: ObjectStore, results: dict[str, TrainResult], name: str
) -> None:
    """The stored graph, run over the stored rows, gives the estimator's scores within 1e-5."""
    candidate = results[name].candidate
    test = _frame(store, candidate, "test.parquet")
    graph = read_candidate_file(store, candidate, "model.onnx")
    scores = onnx_probability(graph, vector(vector_from_frame(test, FEATURE_NAMES)))
    assert np.abs(scores - test["score"].to_numpy()).max() <= 1e-5
    assert len(test) == results[name].rows["test"]["rows"]
    assert results[name].parity <= 1e-5


def test_every_estimator_learns_something(results: dict[str, TrainResult]) -> None:
    """On data with a pattern each estimator is far better than chance on later time."""
    for result in results.values():
        test = result.metrics["test"]["average_precision"]
        assert test is not None
        assert test > 0.5


def test_the_lineage_is_what_it_takes_to_train_again(
    store: ObjectStore, results: dict[str, TrainResult], tracking: Tracking
) -> None:
    """A second run has the same graph and lineage, and its data can be read again.

    Only the code's revision may differ, when somebody commits between the two.
    """
    first = results["random_forest"].candidate
    again = run(config("random_forest"), store, TABLES, tracking).candidate
    for file in ("model.onnx", "signature.json", "test.parquet"):
        assert again.files[file] == first.files[file], file
    lineage, repeated = (
        json.loads(read_candidate_file(store, candidate, "lineage.json"))
        for candidate in (first, again)
    )
    assert {**repeated, "code_revision": lineage["code_revision"]} == lineage
    assert checkout(DatasetManifest.model_validate(lineage["data"]["dataset"]), store)
    assert lineage["seed"] == 42
    assert lineage["parameters"]["trees"] == 20
    assert lineage["environment"]["libraries"]["scikit-learn"] != "absent"
    assert len(lineage["lock_sha256"]) == 64
    assert lineage["code_revision"]


def test_the_signature_says_what_an_ordinary_transaction_has(
    store: ObjectStore, results: dict[str, TrainResult]
) -> None:
    """Every column's typical value is the median of the legitimate training rows, as float32."""
    candidate = results["gradient_boosting"].candidate
    document = read_candidate_file(store, candidate, "signature.json")
    typical = [column.typical for column in Signature.model_validate_json(document).inputs]
    rows = read_splits(config("gradient_boosting"), store, TABLES).train
    expected = np.median(rows.features[~rows.labels], axis=0)
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(np.array(typical), expected)


def test_the_run_is_recorded_in_mlflow(results: dict[str, TrainResult], tracking: Tracking) -> None:
    """Parameters, metrics of all periods, row counts and digests can be read from the server."""
    result = results["random_forest"]
    with tracking._connected() as client:
        data = client.get_run(result.candidate.run_id).data
        artifacts = {item.path for item in client.list_artifacts(result.candidate.run_id)}
    assert data.params["trees"] == "20"
    assert data.params["seed"] == "42"
    assert data.metrics["test_average_precision"] == pytest.approx(
        result.metrics["test"]["average_precision"]
    )
    assert data.metrics["train_rows"] == result.rows["train"]["rows"]
    assert {"dataset_sha256", "code_revision", "lock_sha256"} <= set(data.tags)
    assert {"lineage.json", "dataset.json", "signature.json"} <= artifacts


def test_the_choice_is_by_validation_only(
    results: dict[str, TrainResult], tracked: Endpoints, tracking: Tracking
) -> None:
    """Quite other test data leave the graphs, the validation figures and the choice unchanged."""
    begins = config().test.begins
    frauds = TABLES.labels["transaction_id"].implode()
    in_test = TABLES.transactions.filter(pl.col("event_time") >= begins)
    turned = in_test.with_columns(
        amount_minor=pl.col("amount_minor").reverse(), user_id=pl.col("user_id").reverse()
    )
    other_frauds = turned.filter(pl.col("transaction_id").hash(3) % 20 == 0)["transaction_id"]
    labels = pl.concat(
        [
            TABLES.labels.filter(
                ~pl.col("transaction_id").is_in(in_test["transaction_id"].implode())
            ),
            turned.filter(pl.col("transaction_id").is_in(other_frauds.implode())).select(
                "transaction_id",
                is_fraud=pl.lit(value=True),
                reported_at=pl.col("event_time"),
                revision=pl.lit(1, dtype=pl.Int32),
            ),
        ]
    )
    before = TABLES.transactions.filter(pl.col("event_time") < begins)
    other = Cards(pl.concat([before, turned]), labels)
    assert not other_frauds.is_in(frauds).all()
    store = object_store(tracked)
    other.store(store)
    try:
        again = {name: run(config(name), store, other, tracking) for name in ALGORITHMS}
    finally:
        TABLES.store(store)
    for name in ALGORITHMS:
        assert (
            again[name].candidate.files["model.onnx"] == results[name].candidate.files["model.onnx"]
        )
        assert again[name].metrics["test"] != results[name].metrics["test"]
    chosen = choose([results[name].candidate for name in ALGORITHMS])
    assert choose([again[name].candidate for name in ALGORITHMS]).algorithm == chosen.algorithm
    best = max(results.values(), key=lambda r: r.metrics["validation"]["average_precision"] or 0)
    assert chosen == best.candidate


def test_candidates_of_other_validation_rows_are_not_compared(
    results: dict[str, TrainResult],
) -> None:
    """A figure over other days, or over a random split, is no figure to choose by."""
    first = results["random_forest"].candidate
    for change in ({"validation": days(20, 26)}, {"split": "leaky_stratified"}):
        with pytest.raises(InvalidSetting, match="different rows"):
            choose([first, first.model_copy(update=change)])
    with pytest.raises(InvalidSetting, match="none to choose"):
        choose([])


def test_a_graph_that_disagrees_leaves_no_candidate(
    store: ObjectStore, tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the export gives other numbers, the run stops and nothing is written."""
    before = set(store.keys("candidates/"))
    graph = constant_graph(columns=len(FEATURE_NAMES))
    monkeypatch.setattr(TrainedModel, "to_onnx", lambda *_: graph)
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        run(config("logistic_regression"), store, TABLES, tracking)
    assert set(store.keys("candidates/")) == before


class Unread:
    """A feature store that must not be asked for anything."""

    def training_set(self, transactions: pl.DataFrame) -> pl.DataFrame:
        """Fail the test."""
        pytest.fail(f"asked for the features of {transactions.height} transactions")


def test_without_a_tracking_server_nothing_is_read_and_nothing_trained(
    store: ObjectStore, tracking: Tracking
) -> None:
    """MLflow down is found out before the work, not after it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    before = set(store.keys("candidates/"))
    down = Tracking(tracking.settings.model_copy(update={"tracking_uri": uri}), tracking._store)
    with pytest.raises(Unavailable, match="MLflow"):
        run(config(), store, Unread(), down)
    assert set(store.keys("candidates/")) == before


def test_an_unknown_parameter_is_named(store: ObjectStore, tracking: Tracking) -> None:
    """A parameter that the estimator does not take is an error with its name."""
    with pytest.raises(InvalidSetting, match="depth"):
        run(config(parameters={"depth": 3}), store, TABLES, tracking)
