"""Publish one candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from pydantic import BaseModel, ConfigDict

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.adapters.candidates import candidate_key, read_candidate
from cardfraud.adapters.documents import encode, parse
from cardfraud.adapters.pointers import alias_digest, move_alias
from cardfraud.contracts import keys
from cardfraud.contracts.bundle import REQUIRED_FILES, Manifest, make_manifest
from cardfraud.contracts.candidate import CANDIDATE_FILE, Candidate
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
_AGAIN: Final = "it is not what was judged: evaluate the candidate again"


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

    What is published is what was judged, to the byte: every file is compared with the verdict.

    A champion is moved by a candidate that was compared with it, with the very bundle that the
    alias names now; without a champion there is nothing to compare with.

    The one write of a bundle's alias decides: it says which policy comes with the bundle, so that
    a publication that is interrupted anywhere leaves the earlier pair or the new one, never half of
    each. Running it again completes it.

    Raises:
        DataRejected: the candidate did not pass; says which checks failed.
        NotFound: there is no such candidate, or it was not evaluated.
        IntegrityError: a file is not the one that was judged; names it.
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
    files = _judged(store, candidate, evaluation)
    policy = parse(Policy, files.pop(POLICY_FILE), POLICY_FILE)
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
    if evaluation.run_id != candidate.run_id:
        what = f"{EVALUATION_FILE}: run_id"
        raise IntegrityError(what, candidate.run_id, evaluation.run_id, hint=_AGAIN)
    return evaluation


def _judged(store: ObjectStore, candidate: Candidate, evaluation: Evaluation) -> dict[str, bytes]:
    """Read the files of the bundle and the policy once, and compare them with the verdict."""
    files = {}
    for file in (*REQUIRED_FILES, POLICY_FILE):
        promised = evaluation.files[file]
        try:
            files[file] = store.get(candidate_key(candidate.run_id, file))
        except NotFound as error:
            raise IntegrityError(file, promised, "absent", hint=_AGAIN) from error
        _compare(file, promised, files[file])
    # After the files, so that what was changed is named rather than what promised it.
    _compare(CANDIDATE_FILE, evaluation.files[CANDIDATE_FILE], encode(candidate))
    return files


def _compare(file: str, promised: str, content: bytes) -> None:
    actual = sha256_hex(content)
    if actual != promised:
        raise IntegrityError(file, promised, actual, hint=_AGAIN)


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
