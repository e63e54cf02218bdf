import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cardfraud.adapters.bundles import load_bundle, load_policy, publish_bundle
from cardfraud.adapters.candidates import candidate_key
from cardfraud.adapters.documents import encode
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.pointers import alias_digest, move_alias
from cardfraud.adapters.registry import Tracking
from cardfraud.contracts.bundle import REQUIRED_FILES, Signature
from cardfraud.contracts.candidate import CANDIDATE_FILE, Candidate
from cardfraud.contracts.digests import sha256_hex
from cardfraud.contracts.evaluation import Evaluation
from cardfraud.contracts.policy import GateLimits
from cardfraud.errors import Conflict, DataRejected, IntegrityError, NotFound, Unavailable
from cardfraud.steps.evaluate.config import EvaluateConfig, PolicyDraft
from cardfraud.steps.evaluate.step import run as evaluate
from cardfraud.steps.publish.config import PublishConfig
from cardfraud.steps.publish.step import PublishResult
from cardfraud.steps.publish.step import run as publish
from cardfraud.steps.train.step import run as train
from cardfraud_pipelines.local import Endpoints
from tests.support.bundles import bundle_files
from tests.support.cards import cards
from tests.support.stores import careless, object_store
from tests.support.training import config

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TABLES = cards()


@pytest.fixture(scope="module")
def store(tracked: Endpoints) -> ObjectStore:
    """Return a store with 42 days of transactions and labels."""
    store = object_store(tracked)
    TABLES.store(store)
    return store


@pytest.fixture(scope="module")
def trained(store: ObjectStore, tracking: Tracking) -> Candidate:
    """Train one candidate."""
    return train(config(), store, TABLES, tracking).candidate


@pytest.fixture
def candidate(request: pytest.FixtureRequest, store: ObjectStore, trained: Candidate) -> Candidate:
    """Let the candidate be one of a model named after the test, without any champion."""
    name = re.sub("[^a-z0-9]", "-", request.node.name)[-60:].strip("-")
    renamed = trained.model_copy(update={"model": name})
    store.put(candidate_key(trained.run_id, "candidate.json"), renamed.model_dump_json().encode())
    store.delete(candidate_key(trained.run_id, "evaluation.json"))
    return renamed


def _evaluate(store: ObjectStore, candidate: Candidate, **gate: Any) -> None:
    evaluate(
        EvaluateConfig(
            run_id=candidate.run_id,
            latency_samples=50,
            importance_rows=0,
            policy=PolicyDraft(gate=GateLimits(**gate)),
        ),
        store,
    )


def _publish(
    store: ObjectStore, tracking: Tracking, candidate: Candidate, **changes: Any
) -> PublishResult:
    return publish(PublishConfig(run_id=candidate.run_id, **changes), store, tracking)


def test_what_passed_is_published_named_and_mirrored(
    store: ObjectStore, tracking: Tracking, candidate: Candidate
) -> None:
    """The bundle holds the trained graph, the aliases name it and its policy, MLflow shows both."""
    _evaluate(store, candidate)
    result = _publish(store, tracking, candidate)
    digest = result.manifest.bundle_digest
    bundle = load_bundle(store, candidate.model, digest)
    assert bundle.model == store.get(candidate_key(candidate.run_id, "model.onnx"))
    assert bundle.manifest.algorithm == "random_forest"
    load_policy(store, candidate.model, result.policy)
    for alias in ("challenger", "champion"):
        assert alias_digest(store, "models", candidate.model, alias) == digest
        assert alias_digest(store, "policies", candidate.model, alias) == result.policy
        mirrored = tracking.version_of(candidate.model, alias)
        assert (mirrored.bundle_digest, mirrored.version) == (digest, result.tracked_version)


def test_publishing_again_changes_nothing(
    store: ObjectStore, tracking: Tracking, candidate: Candidate
) -> None:
    """A rerun ends in the same digests, aliases and version."""
    _evaluate(store, candidate)
    first = _publish(store, tracking, candidate)
    assert _publish(store, tracking, candidate) == first


def test_what_did_not_pass_is_not_published(
    store: ObjectStore, tracking: Tracking, candidate: Candidate
) -> None:
    """The error carries the reasons of the verdict, and nothing was written."""
    _evaluate(store, candidate, min_average_precision=0.98)
    with pytest.raises(DataRejected, match="Average precision") as caught:
        _publish(store, tracking, candidate)
    assert len(caught.value.failures) == 1
    assert list(store.keys(f"models/{candidate.model}/")) == []
    assert list(store.keys(f"aliases/models/{candidate.model}/")) == []


def test_what_was_not_evaluated_is_not_published(
    store: ObjectStore, tracking: Tracking, candidate: Candidate
) -> None:
    """A candidate without a verdict is refused with the hint to evaluate it."""
    with pytest.raises(NotFound, match="evaluate it first"):
        _publish(store, tracking, candidate)


def test_a_champion_that_changed_since_the_comparison_stays(
    store: ObjectStore, tracking: Tracking, candidate: Candidate
) -> None:
    """A verdict over an earlier champion does not depose the present one."""
    _evaluate(store, candidate)
    other = publish_bundle(store, bundle_files(), candidate.model, "x").bundle_digest
    move_alias(store, "models", candidate.model, "champion", other, expected=None)
    with pytest.raises(Conflict, match=other):
        _publish(store, tracking, candidate)
    assert alias_digest(store, "models", candidate.model, "champion") == other


def test_only_the_aliases_asked_for_move(
    store: ObjectStore, tracking: Tracking, candidate: Candidate
) -> None:
    """A challenger can be published beside a champion that stays."""
    _evaluate(store, candidate)
    _publish(store, tracking, candidate, aliases=("challenger",))
    assert alias_digest(store, "models", candidate.model, "challenger") is not None
    assert alias_digest(store, "models", candidate.model, "champion") is None


@contextmanager
def _changed(
    store: ObjectStore, candidate: Candidate, file: str, content: bytes | None
) -> Iterator[None]:
    """Let a file of a candidate be another, or absent, for a while.

    ``candidate.json`` promises it, as whoever can write the one can write the other.
    """
    keys = [candidate_key(candidate.run_id, name) for name in (file, CANDIDATE_FILE)]
    before = {key: store.get(key) for key in keys}
    files = dict(candidate.files)
    if content is None:
        store.delete(keys[0])
    else:
        store.put(keys[0], content)
        files[file] = sha256_hex(content)
    store.put(keys[1], encode(candidate.model_copy(update={"files": files})))
    try:
        yield
    finally:
        for key, old in before.items():
            store.put(key, old)


def _signature(store: ObjectStore, candidate: Candidate) -> Signature:
    content = store.get(candidate_key(candidate.run_id, "signature.json"))
    return Signature.model_validate_json(content)


def _swapped(signature: Signature) -> Signature:
    """The same with the first two names in each other's place."""
    first, second, *rest = signature.inputs
    names = (
        first.model_copy(update={"name": second.name}),
        second.model_copy(update={"name": first.name}),
    )
    return signature.model_copy(update={"inputs": (*names, *rest)})


def _defaulted(signature: Signature) -> Signature:
    """The same with another value for what is missing."""
    first, *rest = signature.inputs
    other = first.model_copy(update={"default": first.default + 1})
    return signature.model_copy(update={"inputs": (other, *rest)})


def test_a_signature_changed_since_the_verdict_is_not_published(
    store: ObjectStore, tracking: Tracking, candidate: Candidate
) -> None:
    """Names and defaults decide what a server answers, so a verdict over others says nothing.

    Not even where the digest in ``candidate.json`` was changed along.
    """
    _evaluate(store, candidate)
    signature = _signature(store, candidate)
    for other in (_swapped(signature), _defaulted(signature)):
        with (
            _changed(store, candidate, "signature.json", encode(other)),
            pytest.raises(IntegrityError, match=r"^'signature\.json'.*evaluate the candidate"),
        ):
            _publish(store, tracking, candidate)
    assert list(store.keys(f"models/{candidate.model}/")) == []
    _publish(store, tracking, candidate)


def test_files_changed_since_the_verdict_are_not_published(
    store: ObjectStore, tracking: Tracking, candidate: Candidate
) -> None:
    """What is published is what was judged, to the byte; the error names what is not."""
    _evaluate(store, candidate)
    files = (*REQUIRED_FILES, "policy.json")
    before = {file: store.get(candidate_key(candidate.run_id, file)) for file in files}
    changes = [(file, before[file] + b" ") for file in files]
    for file, content in [*changes, *((file, None) for file in files)]:
        with (
            _changed(store, candidate, file, content),
            pytest.raises(IntegrityError, match=f"^'{re.escape(file)}'"),
        ):
            _publish(store, tracking, candidate)
    assert list(store.keys(f"models/{candidate.model}/")) == []


def test_another_description_of_the_candidate_is_not_published(
    store: ObjectStore, tracking: Tracking, candidate: Candidate
) -> None:
    """A verdict under one model's name and champion publishes nothing under another's."""
    _evaluate(store, candidate)
    key = candidate_key(candidate.run_id, CANDIDATE_FILE)
    for change in ({"model": "another"}, {"algorithm": "oracle"}, {"tracked_model": "m-0"}):
        store.put(key, encode(candidate.model_copy(update=change)))
        with pytest.raises(IntegrityError, match=r"^'candidate\.json'"):
            _publish(store, tracking, candidate)
    for model in (candidate.model, "another"):
        assert list(store.keys(f"models/{model}/")) == []


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_to_a_store_that_ignores_conditions_nothing_is_published(
    store: ObjectStore, tracking: Tracking, candidate: Candidate, header: str
) -> None:
    """Where a bundle could be overwritten, or an alias moved unseen, nothing is written."""
    _evaluate(store, candidate)
    with pytest.raises(Unavailable, match=f"ignores {header}"):
        _publish(careless(store, header), tracking, candidate)
    assert list(store.keys(f"models/{candidate.model}/")) == []
    assert list(store.keys("aliases/.probe")) == []


def test_the_verdict_of_another_run_is_no_verdict(
    store: ObjectStore, tracking: Tracking, candidate: Candidate
) -> None:
    """A passing evaluation of another run publishes nothing, though it binds the same files."""
    _evaluate(store, candidate)
    key = candidate_key(candidate.run_id, "evaluation.json")
    verdict = Evaluation.model_validate_json(store.get(key))
    store.put(key, encode(verdict.model_copy(update={"run_id": "0" * 32})))
    with pytest.raises(IntegrityError, match=r"evaluation\.json: run_id.*again"):
        _publish(store, tracking, candidate)
    assert list(store.keys(f"models/{candidate.model}/")) == []


def test_a_verdict_that_does_not_bind_every_file_is_no_verdict(
    store: ObjectStore, tracking: Tracking, candidate: Candidate
) -> None:
    """What a verdict says nothing of is not published on it; the error names the file."""
    _evaluate(store, candidate)
    key = candidate_key(candidate.run_id, "evaluation.json")
    verdict = Evaluation.model_validate_json(store.get(key))
    for left_out in verdict.files:
        files = {file: digest for file, digest in verdict.files.items() if file != left_out}
        store.put(key, encode(verdict.model_copy(update={"files": files})))
        with pytest.raises(IntegrityError, match=rf"^'evaluation\.json'.*{left_out}"):
            _publish(store, tracking, candidate)
    assert list(store.keys(f"models/{candidate.model}/")) == []


def test_without_a_tracking_server_nothing_is_published(
    store: ObjectStore, tracking: Tracking, candidate: Candidate
) -> None:
    """MLflow down is found out before anything is written."""
    _evaluate(store, candidate)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    down = Tracking(tracking.settings.model_copy(update={"tracking_uri": uri}), tracking._store)
    with pytest.raises(Unavailable, match="MLflow"):
        _publish(store, down, candidate)
    assert list(store.keys(f"models/{candidate.model}/")) == []
