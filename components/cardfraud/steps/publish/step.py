"""Publish one candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from pydantic import BaseModel, ConfigDict

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.adapters.candidates import candidate_key, read_candidate, read_candidate_file
from cardfraud.adapters.documents import parse
from cardfraud.adapters.pointers import alias_digest, move_alias
from cardfraud.contracts import keys
from cardfraud.contracts.bundle import (
    CARD_FILE,
    LINEAGE_FILE,
    METRICS_FILE,
    MODEL_FILE,
    SIGNATURE_FILE,
    Manifest,
    make_manifest,
)
from cardfraud.contracts.candidate import Candidate
from cardfraud.contracts.digests import sha256_hex
from cardfraud.contracts.evaluation import EVALUATION_FILE, POLICY_FILE, Evaluation
from cardfraud.contracts.policy import Policy
from cardfraud.contracts.tracks import Alias
from cardfraud.errors import Conflict, DataRejected, IntegrityError, NotFound
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.scoring.decision import check_rules
from cardfraud.steps.publish.config import PublishConfig

if TYPE_CHECKING:
    from cardfraud.adapters.object_store import ObjectStore
    from cardfraud.adapters.registry import Tracking

_log = structlog.get_logger(__name__)


class PublishResult(BaseModel):
    """What was published and what names it now."""

    model_config = ConfigDict(frozen=True)

    manifest: Manifest
    policy: str
    """Digest of the policy."""
    aliases: tuple[Alias, ...]
    tracked_version: int
    """Version in MLflow's registry that mirrors the bundle."""


def run(config: PublishConfig, store: ObjectStore, tracking: Tracking) -> PublishResult:
    """Publish the bundle and the policy of a candidate, move the aliases, mirror them in MLflow.

    A champion is moved by a candidate that was compared with it, with the very bundle that the
    alias names now; without a champion there is nothing to compare with.

    The one write of a bundle's alias decides: it says which policy comes with the bundle, so that
    a publication that is interrupted anywhere leaves the earlier pair or the new one, never half of
    each. Running it again completes it.

    Raises:
        DataRejected: the candidate did not pass; says which checks failed.
        NotFound: there is no such candidate, or it was not evaluated.
        IntegrityError: a file is not the one that was trained or judged.
        Conflict: the candidate was not compared with the present champion, or the alias that it
            was compared with has moved since; found out before anything is published.
        InvalidSetting: a rule of the policy reads a value that no request has.
        Unavailable: the object store or MLflow does not answer, or the object store ignores the
            conditions of writes; found out before anything is published.
    """
    tracking.check()
    store.check_conditional_writes()
    candidate = read_candidate(store, config.run_id)
    evaluation = _passed(store, candidate)
    files = _files(store, candidate, evaluation)
    policy = parse(Policy, _judged(store, evaluation, POLICY_FILE), POLICY_FILE)
    check_rules(policy, FEATURE_NAMES)
    planned = make_manifest(candidate.model, candidate.algorithm, files)
    for alias in config.aliases:
        _expected(store, planned, alias, evaluation)
    manifest = publish_bundle(store, files, candidate.model, candidate.algorithm)
    policy_digest = publish_policy(store, candidate.model, policy)
    moved = [_move(store, manifest, policy_digest, alias, evaluation) for alias in config.aliases]
    version = tracking.mirror(
        candidate.model,
        candidate.tracked_model,
        bundle_digest=manifest.bundle_digest,
        tags={
            "model_digest": manifest.model_digest,
            "policy_digest": policy_digest,
            "algorithm": candidate.algorithm,
            "run_id": candidate.run_id,
        },
    )
    for alias in config.aliases:
        tracking.set_alias(candidate.model, alias, version)
    _log.info("published", bundle=manifest.bundle_digest, aliases=config.aliases)
    return PublishResult(
        manifest=manifest, policy=policy_digest, aliases=tuple(moved), tracked_version=version
    )


def _passed(store: ObjectStore, candidate: Candidate) -> Evaluation:
    try:
        content = store.get(candidate_key(candidate.run_id, EVALUATION_FILE))
    except NotFound as error:
        raise NotFound("evaluation", candidate.run_id, hint="evaluate it first") from error
    evaluation = parse(Evaluation, content, EVALUATION_FILE)
    if not evaluation.passed:
        raise DataRejected(f"candidate {candidate.run_id}", list(evaluation.reasons))
    promised = candidate.files[MODEL_FILE]
    if (evaluation.run_id, evaluation.model_sha256) != (candidate.run_id, promised):
        raise IntegrityError(
            MODEL_FILE, evaluation.model_sha256, promised, hint="evaluate it again"
        )
    return evaluation


def _files(store: ObjectStore, candidate: Candidate, evaluation: Evaluation) -> dict[str, bytes]:
    trained = (MODEL_FILE, SIGNATURE_FILE, LINEAGE_FILE)
    files = {file: read_candidate_file(store, candidate, file) for file in trained}
    return files | {file: _judged(store, evaluation, file) for file in (METRICS_FILE, CARD_FILE)}


def _judged(store: ObjectStore, evaluation: Evaluation, file: str) -> bytes:
    content = store.get(candidate_key(evaluation.run_id, file))
    actual = sha256_hex(content)
    if actual != evaluation.files[file]:
        raise IntegrityError(file, evaluation.files[file], actual, hint="evaluate it again")
    return content


def _expected(
    store: ObjectStore, manifest: Manifest, alias: str, evaluation: Evaluation
) -> str | None:
    """Return what an alias must still name when it is moved.

    Raises:
        Conflict: the evaluation does not say that the candidate may take its place.
    """
    seen = alias_digest(store, "models", manifest.name, alias)
    if seen == manifest.bundle_digest:
        return seen
    deposes = alias == "champion" and seen is not None
    if not deposes and alias != evaluation.compared_with:
        return seen
    compared = evaluation.compared_bundle
    if seen != compared:
        raise Conflict(
            keys.bundle_alias(manifest.name, alias),
            f"it names {seen or 'nothing'}, the candidate was compared with "
            f"{compared or 'nothing'}",
            hint=f"evaluate it with compare_with {alias}",
        )
    return compared


def _move(
    store: ObjectStore, manifest: Manifest, policy: str, alias: str, evaluation: Evaluation
) -> Alias:
    """Move both aliases; where it counts, the bundle's still names what was compared with."""
    model, bundle = manifest.name, manifest.bundle_digest
    expected = _expected(store, manifest, alias, evaluation)
    moved = move_alias(store, "models", model, alias, bundle, expected=expected, paired_with=policy)
    seen = alias_digest(store, "policies", model, alias)
    move_alias(store, "policies", model, alias, policy, expected=seen, paired_with=bundle)
    return moved
