"""The network, from the step that trains it where torch is to the server that has none."""

import json
import os
import subprocess
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from cardfraud.adapters.bundles import load_bundle
from cardfraud.adapters.candidates import read_candidate_file
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.registry import Tracking
from cardfraud.contracts.candidate import TEST_FILE
from cardfraud.contracts.digests import sha256_hex
from cardfraud.features.batch import vector_from_frame
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.features.values import vector
from cardfraud.scoring.session import OnnxScorer
from cardfraud.steps.evaluate.config import EvaluateConfig
from cardfraud.steps.evaluate.step import run as evaluate
from cardfraud.steps.featurize.config import FeaturizeConfig
from cardfraud.steps.featurize.step import run as featurize
from cardfraud.steps.publish.config import PublishConfig
from cardfraud.steps.publish.step import run as publish
from cardfraud.steps.train.step import TrainResult
from cardfraud_pipelines.local import Endpoints
from cardfraud_pipelines.local.supervisor import Supervisor
from tests.house.repository import ROOT
from tests.support.cards import DAYS, FIRST_DAY, cards
from tests.support.feature_stores import feature_store
from tests.support.servers import Address, predictor, storage_environment
from tests.support.stores import object_store
from tests.support.training import config

PYTHON = ROOT / ".venv-deep" / "bin" / "python"
LOCK = ROOT / "components" / "requirements-deep.txt"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        not PYTHON.is_file(),
        reason="no .venv-deep, so the network was not trained: .ci/environment deep sets it up",
    ),
]


@pytest.fixture(scope="module")
def store(tracked: Endpoints) -> ObjectStore:
    """Return a store with 42 days of transactions, their labels and their feature values."""
    store = object_store(tracked)
    cards().store(store)
    feast = feature_store(tracked)
    feast.apply()
    last = FIRST_DAY + timedelta(days=DAYS - 1)
    featurize(FeaturizeConfig(start=FIRST_DAY, end=last), store, feast)
    return store


@pytest.fixture(scope="module")
def trained(store: ObjectStore, tracked: Endpoints) -> TrainResult:
    """Train a small network by the command of the step, in the environment that has torch."""
    settings = config("neural_network", parameters={"epochs": 20, "batch_size": 256})
    options = ["--algorithm", settings.algorithm, "--parameters", json.dumps(settings.parameters)]
    for name in ("train", "validation", "test"):
        period = getattr(settings, name)
        options += [f"--{name}.start", str(period.start), f"--{name}.end", str(period.end)]
    variables = tracked.settings_environment(feast_project=feature_store(tracked).settings.project)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CARDFRAUD_"))}
    done = subprocess.run(
        [str(PYTHON), "-m", "cardfraud.steps.train", *options],
        cwd=ROOT,
        env=clean | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return TrainResult.model_validate_json(done.stdout)


def test_the_record_names_torch_and_the_lock_that_has_it(
    store: ObjectStore, trained: TrainResult
) -> None:
    """What was trained there says so, and the network has learnt something."""
    lineage = json.loads(read_candidate_file(store, trained.candidate, "lineage.json"))
    assert lineage["algorithm"] == "neural_network"
    assert lineage["parameters"]["epochs"] == 20
    assert lineage["environment"]["libraries"]["torch"] != "absent"
    assert lineage["lock_sha256"] == sha256_hex(LOCK.read_bytes())
    learnt = trained.metrics["test"]["average_precision"]
    assert learnt is not None
    assert learnt > 0.5


def test_what_was_trained_with_torch_is_served_without(
    store: ObjectStore,
    trained: TrainResult,
    tracking: Tracking,
    tracked: Endpoints,
    tmp_path: Path,
) -> None:
    """Judged and published here, where no torch is, a server gives the scores of the training.

    A predictor loads the bundle from the object store and scores every test row within 1e-5 of
    what the network said where it was fitted, and exactly as this environment's session does.
    """
    assert find_spec("torch") is None
    candidate = trained.candidate
    judged = EvaluateConfig(run_id=candidate.run_id, latency_samples=50, importance_rows=0)
    verdict = evaluate(judged, store)
    assert verdict.evaluation.passed, verdict.evaluation.reasons
    published = publish(PublishConfig(run_id=candidate.run_id), store, tracking).manifest
    assert published.algorithm == "neural_network"

    rows = pl.read_parquet(read_candidate_file(store, candidate, TEST_FILE))
    features = vector(vector_from_frame(rows, FEATURE_NAMES))
    bundle = load_bundle(store, candidate.model, published.bundle_digest)
    here = OnnxScorer(bundle.model, bundle.signature).score(features)
    served = _served(tracked, published.bundle_digest, features, tmp_path)

    assert len(served) == trained.rows["test"]["rows"] > 500
    assert np.abs(served - rows["score"].to_numpy()).max() <= 1e-5
    np.testing.assert_array_equal(served, here)


def _served(
    endpoints: Endpoints, bundle: str, features: NDArray[np.float32], folder: Path
) -> NDArray[np.float32]:
    """Ask a predictor of the serving environment for the scores of rows ``[N, F]``."""
    address = Address()
    storage = storage_environment(endpoints, feature_store(endpoints).settings.project)
    answers = []
    with Supervisor(folder / "servers") as supervisor:
        supervisor.run(predictor(address, storage, bundle))
        for start in range(0, len(features), 1_000):
            answer = httpx.post(
                f"{address.url}/v1/models/fraud:predict",
                json={"instances": features[start : start + 1_000].tolist()},
                timeout=30,
            )
            assert answer.status_code == 200, answer.text
            answers += answer.json()["predictions"]
    return np.array(answers, dtype=np.float32)
