"""A candidate trained again from its record, over a real object store and Feast's offline side."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from cardfraud.adapters.candidates import candidate_key, read_candidate_file
from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.registry import Tracking
from cardfraud.contracts import keys
from cardfraud.contracts.candidate import Candidate
from cardfraud.contracts.digests import sha256_hex
from cardfraud.errors import IntegrityError, NotFound
from cardfraud.steps.featurize.config import FeaturizeConfig
from cardfraud.steps.featurize.step import run as featurize
from cardfraud.steps.train import provenance
from cardfraud.steps.train.differences import Difference
from cardfraud.steps.train.repeat import Repetition, configuration, repeat
from cardfraud.steps.train.step import run as train
from cardfraud_pipelines.cli import app
from cardfraud_pipelines.local import Endpoints
from tests.support.cards import DAYS, FIRST_DAY, cards
from tests.support.feature_stores import feature_store
from tests.support.stores import object_store
from tests.support.training import config

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

LABELS = keys.partition(keys.RAW_LABELS, FIRST_DAY + timedelta(days=3))

DAY = keys.partition(keys.VALIDATED_TRANSACTIONS, FIRST_DAY + timedelta(days=3))


@pytest.fixture(scope="module")
def store(tracked: Endpoints) -> ObjectStore:
    """Return a store with 42 days of transactions and labels."""
    store = object_store(tracked)
    cards().store(store)
    return store


@pytest.fixture(scope="module")
def features(store: ObjectStore, tracked: Endpoints) -> FeatureStore:
    """Return Feast with the values of these days."""
    feast = feature_store(tracked)
    feast.apply()
    last = FIRST_DAY + timedelta(days=DAYS - 1)
    featurize(FeaturizeConfig(start=FIRST_DAY, end=last), store, feast)
    return feast


@pytest.fixture(scope="module")
def candidate(store: ObjectStore, features: FeatureStore, tracking: Tracking) -> Candidate:
    """Train one candidate whose every setting differs from the default."""
    given = config(
        "gradient_boosting",
        seed=7,
        class_weight=3.0,
        parameters={"trees": 20, "min_samples_leaf": 20, "feature_share": 0.5},
    )
    return train(given, store, features, tracking).candidate


@pytest.fixture
def other_labels(store: ObjectStore) -> Iterator[None]:
    """Turn the labels of one training day round for the time of a test."""
    before = store.get(LABELS)
    frame = store.get_frame(LABELS)
    store.put_frame(LABELS, frame.with_columns(is_fraud=~pl.col("is_fraud")))
    yield
    store.put(LABELS, before)


def named(result: Repetition) -> dict[str, Difference]:
    """What differs, by name, but for the code's revision: somebody may commit meanwhile."""
    return {d.what: d for d in result.differences if d.what != "code_revision"}


def test_the_same_bytes_come_out_of_the_same_data(
    store: ObjectStore, features: FeatureStore, candidate: Candidate
) -> None:
    """From the record alone the very same model is made, nothing differs, and nothing is left."""
    before = set(store.keys("candidates/"))
    result = repeat(candidate.run_id, store, features)
    assert result.same_bytes
    assert result.repeated_sha256 == candidate.files["model.onnx"]
    assert named(result) == {}
    assert result.largest_score_difference == 0.0
    assert set(store.keys("candidates/")) == before


@pytest.mark.usefixtures("other_labels")
def test_a_changed_label_object_is_named(
    store: ObjectStore, features: FeatureStore, candidate: Candidate
) -> None:
    """Other labels on one day give other bytes; the object is named, with both digests."""
    result = repeat(candidate.run_id, store, features)
    assert not result.same_bytes
    found = named(result)
    now = sha256_hex(store.get(LABELS))
    assert found[LABELS].found == now
    assert found[LABELS].recorded != now
    assert "data.labels_sha256.train" in found
    assert not any(name.startswith(("lock", "environment", "parameters")) for name in found)
    assert result.largest_score_difference is not None
    assert 0 < result.largest_score_difference <= 1


def test_a_label_that_came_later_changes_the_object_and_not_the_model(
    store: ObjectStore, features: FeatureStore, candidate: Candidate
) -> None:
    """A revision reported after the training is not seen: other data, the same bytes."""
    before = store.get(LABELS)
    frame = store.get_frame(LABELS)
    later = frame.head(5).with_columns(
        is_fraud=~pl.col("is_fraud"),
        reported_at=pl.col("reported_at") + timedelta(days=365),
        revision=pl.lit(2, dtype=pl.Int32),
    )
    store.put_frame(LABELS, pl.concat([frame, later]))
    try:
        result = repeat(candidate.run_id, store, features)
    finally:
        store.put(LABELS, before)
    assert result.same_bytes
    assert set(named(result)) == {LABELS}


def test_another_lock_and_another_library_are_named(
    store: ObjectStore,
    features: FeatureStore,
    candidate: Candidate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An environment of another lock is told from the record, whatever comes out of it."""
    monkeypatch.setenv("CARDFRAUD_LOCK_DIGEST", "0" * 64)
    here = provenance.environment()
    libraries = {**here["libraries"], "lightgbm": "0.1"}  # type: ignore[dict-item]
    monkeypatch.setattr(provenance, "environment", lambda: {**here, "libraries": libraries})
    result = repeat(candidate.run_id, store, features)
    assert result.same_bytes
    assert set(named(result)) == {"lock_sha256", "environment.libraries.lightgbm"}
    assert named(result)["lock_sha256"].found == "0" * 64
    assert named(result)["environment.libraries.lightgbm"].found == "0.1"


def test_data_that_are_gone_are_named_and_nothing_is_repeated(
    store: ObjectStore, features: FeatureStore, candidate: Candidate
) -> None:
    """Without the transactions of the training days there is a reason and a list, not a crash."""
    days = [
        keys.partition(keys.VALIDATED_TRANSACTIONS, FIRST_DAY + timedelta(days=d))
        for d in range(12)
    ]
    before = {key: store.get(key) for key in days}
    for key in days:
        store.delete(key)
    try:
        result = repeat(candidate.run_id, store, features)
    finally:
        for key, content in before.items():
            store.put(key, content)
    assert not result.same_bytes
    assert result.repeated_sha256 is None
    assert result.failure is not None
    assert "no validated transactions" in result.failure
    assert {key: named(result)[key].found for key in days} == dict.fromkeys(days, "absent")


def test_the_command_says_it_and_exits_with_it(
    store: ObjectStore,
    features: FeatureStore,
    candidate: Candidate,
    tracked: Endpoints,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``cardfraud repeat RUN`` exits with 0 for the same bytes, with 1 when the data are gone."""
    project = features.settings.project
    for name, value in tracked.settings_environment(feast_project=project).items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["repeat", candidate.run_id])
    assert done.exit_code == 0, done.output
    assert f"Same bytes: sha256-{candidate.files['model.onnx']}" in done.output
    before = store.get(DAY)
    store.put(DAY, before[: len(before) // 2])
    try:
        failed = CliRunner().invoke(app, ["repeat", candidate.run_id])
    finally:
        store.put(DAY, before)
    assert failed.exit_code == 1
    assert "Not repeated" in failed.output
    assert DAY in failed.output.replace("\n", "")


def test_the_configuration_of_a_run_can_be_read_from_its_record(
    store: ObjectStore, candidate: Candidate
) -> None:
    """Every setting comes back, also those that the first run was told in another way."""
    lineage = json.loads(read_candidate_file(store, candidate, "lineage.json"))
    found = configuration(candidate, lineage)
    assert (found.algorithm, found.seed, found.calibrate) == ("gradient_boosting", 7, True)
    assert found.parameters["positive_weight"] == 3.0
    assert found.parameters["feature_share"] == 0.5
    assert (found.train, found.validation, found.test) == (
        candidate.train,
        candidate.validation,
        candidate.test,
    )
    assert found.trained_at == config().trained_at
    assert found.judged_at == config().judged_at
    plain: dict[str, Any] = {
        **lineage,
        "parameters": {**lineage["parameters"], "calibration": None},
    }
    assert not configuration(candidate, plain).calibrate


@pytest.mark.parametrize(
    "broken", [{"data": None}, {"parameters": {}}, {"algorithm": "oracle"}, {"seed": -1}]
)
def test_a_record_that_lacks_something_is_refused(
    store: ObjectStore, candidate: Candidate, broken: dict[str, Any]
) -> None:
    """What no configuration can be made of is an error that names the record."""
    lineage = json.loads(read_candidate_file(store, candidate, "lineage.json"))
    with pytest.raises(IntegrityError, match=r"lineage\.json"):
        configuration(candidate, {**lineage, **broken})


def test_a_run_that_is_not_there_or_was_tampered_with_is_refused(
    store: ObjectStore, features: FeatureStore, candidate: Candidate
) -> None:
    """No candidate, no repetition; and a record that training did not write counts for nothing."""
    with pytest.raises(NotFound, match="candidate"):
        repeat("0" * 32, store, features)
    key = candidate_key(candidate.run_id, "lineage.json")
    before = store.get(key)
    store.put(key, before.replace(b'"seed":7', b'"seed":8'))
    try:
        with pytest.raises(IntegrityError, match=r"lineage\.json"):
            repeat(candidate.run_id, store, features)
    finally:
        store.put(key, before)
