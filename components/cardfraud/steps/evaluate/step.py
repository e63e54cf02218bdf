"""Evaluate one candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cardfraud.adapters.bundles import load_bundle
from cardfraud.adapters.candidates import (
    candidate_key,
    read_candidate,
    read_candidate_file,
)
from cardfraud.adapters.documents import encode, parse
from cardfraud.adapters.object_store import decode_frame
from cardfraud.adapters.pointers import alias_digest
from cardfraud.contracts import keys
from cardfraud.contracts.bundle import (
    CARD_FILE,
    LINEAGE_FILE,
    METRICS_FILE,
    MODEL_FILE,
    SIGNATURE_FILE,
    Signature,
)
from cardfraud.contracts.candidate import TEST_FILE, VALIDATION_FILE, Candidate
from cardfraud.contracts.digests import sha256_hex
from cardfraud.contracts.evaluation import EVALUATION_FILE, POLICY_FILE, Evaluation
from cardfraud.contracts.policy import Policy
from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.gate import Check, GateVerdict, judge
from cardfraud.evaluation.intervals import Interval
from cardfraud.evaluation.operating_point import choose_thresholds
from cardfraud.scoring.session import OnnxScorer
from cardfraud.steps.evaluate.card import model_card
from cardfraud.steps.evaluate.charts import Drawn
from cardfraud.steps.evaluate.config import EvaluateConfig, PolicyDraft
from cardfraud.steps.evaluate.figures import (
    Figures,
    HeldOut,
    Latency,
    draw,
    held_out,
    measure,
    time_single_rows,
)
from cardfraud.steps.evaluate.metrics import Metrics
from cardfraud.steps.evaluate.report import render

if TYPE_CHECKING:
    import polars as pl

    from cardfraud.adapters.object_store import ObjectStore

_log = structlog.get_logger(__name__)


class EvaluateResult(BaseModel):
    """What an evaluation left."""

    model_config = ConfigDict(frozen=True)

    evaluation: Evaluation
    metrics: Metrics
    policy: Policy
    report: str
    """Key of the HTML report."""


@dataclass(frozen=True, slots=True)
class _Champion:
    digest: str
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything that the verdict rests on."""

    candidate: Candidate
    model: bytes
    policy: Policy
    rows: HeldOut
    scores: NDArray[np.float32]
    champion: _Champion | None
    latency: Latency | None


def run(config: EvaluateConfig, store: ObjectStore) -> EvaluateResult:
    """Judge a candidate; leave metrics, a model card, a policy, a report and the verdict.

    A candidate that fails is no error: the verdict says why, and publication refuses it.

    Raises:
        NotFound: there is no such candidate.
        IntegrityError: a file of the candidate or of the champion is not what was written.
        InvalidSetting: the champion reads other features, so that the rows fit only one of both.
    """
    candidate = read_candidate(store, config.run_id)
    lineage = read_candidate_file(store, candidate, LINEAGE_FILE)
    case = _case(config, store, candidate)
    metrics = _metrics(config, case)
    report = f"{keys.EVALUATION_REPORTS}/{candidate.run_id}.html"
    pictures = _drawn(case, metrics)
    store.put(report, render(candidate, metrics, case.policy, case.rows.labels, pictures).encode())
    card = model_card(metrics, case.policy, lineage)
    evaluation = _write(config, store, case, metrics, card.encode())
    _log.info(
        "evaluated",
        run_id=candidate.run_id,
        passed=evaluation.passed,
        reasons=evaluation.reasons,
    )
    return EvaluateResult(evaluation=evaluation, metrics=metrics, policy=case.policy, report=report)


def _case(config: EvaluateConfig, store: ObjectStore, candidate: Candidate) -> _Case:
    policy = _policy(config.policy, _frame(store, candidate, VALIDATION_FILE))
    model = read_candidate_file(store, candidate, MODEL_FILE)
    signature = parse(
        Signature, read_candidate_file(store, candidate, SIGNATURE_FILE), SIGNATURE_FILE
    )
    rows = held_out(_frame(store, candidate, TEST_FILE))
    scorer = OnnxScorer(model, signature)
    return _Case(
        candidate=candidate,
        model=model,
        policy=policy,
        rows=rows,
        scores=scorer.score(rows.features),
        champion=_champion(config, store, candidate, signature, rows),
        latency=time_single_rows(scorer, rows.features, config.latency_samples),
    )


def _metrics(config: EvaluateConfig, case: _Case) -> Metrics:
    candidate, champion = case.candidate, case.champion
    verdict = _verdict(case, config.seed)
    compared = verdict.comparison

    def figures(scores: NDArray[np.float32], interval: Interval | None) -> Figures:
        k, seed = config.card_precision_k, config.seed
        return measure(case.rows, scores, case.policy, k=k, seed=seed, interval=interval)

    return Metrics(
        model=candidate.model,
        algorithm=candidate.algorithm,
        test_start=candidate.test.start.isoformat(),
        test_end=candidate.test.end.isoformat(),
        split=candidate.split,
        candidate=figures(case.scores, compared.candidate if compared else None),
        champion=(
            figures(champion.scores, compared.champion if compared else None) if champion else None
        ),
        champion_digest=champion.digest if champion else None,
        latency=case.latency,
        policy_digest=case.policy.digest,
        verdict=verdict,
    )


def _drawn(case: _Case, metrics: Metrics) -> list[Drawn]:
    def one(name: str, scores: NDArray[np.float32], figures: Figures) -> Drawn:
        return Drawn(name, scores, draw(case.rows, scores, case.policy), figures)

    pictures = [one("candidate", case.scores, metrics.candidate)]
    if case.champion and metrics.champion:
        pictures.append(one("champion", case.champion.scores, metrics.champion))
    return pictures


def _frame(store: ObjectStore, candidate: Candidate, file: str) -> pl.DataFrame:
    return decode_frame(read_candidate_file(store, candidate, file), file)


def _policy(draft: PolicyDraft, validation: pl.DataFrame) -> Policy:
    if draft.thresholds is not None:
        return draft.complete(draft.thresholds)
    rows = held_out(validation)
    return draft.complete(
        choose_thresholds(
            rows.labels,
            validation["score"].to_numpy(),
            rows.amounts,
            days=rows.days,
            cards=rows.cards,
            costs=draft.costs,
            alert_budget_per_day=draft.alert_budget_per_day,
            decline_precision=draft.decline_precision,
        )
    )


def _champion(
    config: EvaluateConfig,
    store: ObjectStore,
    candidate: Candidate,
    signature: Signature,
    rows: HeldOut,
) -> _Champion | None:
    """Score the same rows with the bundle that the alias names."""
    if config.compare_with == "none":
        return None
    digest = alias_digest(store, "models", candidate.model, config.compare_with)
    if digest is None:
        return None
    bundle = load_bundle(store, candidate.model, digest)
    if bundle.signature.inputs != signature.inputs:
        raise InvalidSetting(
            "compare_with",
            f"the {config.compare_with} {digest} reads other features than the candidate",
            hint="set compare_with to none to judge the candidate by itself",
        )
    return _Champion(digest, OnnxScorer(bundle.model, bundle.signature).score(rows.features))


def _verdict(case: _Case, seed: int) -> GateVerdict:
    verdict = judge(
        case.rows.labels,
        case.scores,
        limits=case.policy.gate,
        review_threshold=case.policy.thresholds.review,
        champion=case.champion.scores if case.champion else None,
        cards=case.rows.cards,
        segments=case.rows.segments,
        latency_p99_ms=case.latency.p99_ms if case.latency else None,
        seed=seed,
    )
    by_time = case.candidate.split == "time"
    split = Check(
        name="split",
        passed=by_time,
        value=None,
        limit=None,
        sentence=(
            "Training, validation and test rows follow each other in time."
            if by_time
            else "The rows were split at random, so the test rows leak into the training."
        ),
    )
    return verdict.model_copy(
        update={"passed": verdict.passed and by_time, "checks": (*verdict.checks, split)}
    )


def _write(
    config: EvaluateConfig, store: ObjectStore, case: _Case, metrics: Metrics, card: bytes
) -> Evaluation:
    run_id = case.candidate.run_id
    files = {METRICS_FILE: encode(metrics), CARD_FILE: card, POLICY_FILE: case.policy.encode()}
    evaluation = Evaluation(
        run_id=run_id,
        model_sha256=sha256_hex(case.model),
        compared_with=config.compare_with,
        compared_bundle=metrics.champion_digest,
        policy=case.policy.digest,
        passed=metrics.verdict.passed,
        reasons=metrics.verdict.reasons,
        files={file: sha256_hex(content) for file, content in files.items()},
    )
    for file, content in files.items():
        store.put(candidate_key(run_id, file), content)
    store.put(f"{keys.EVALUATION_REPORTS}/{run_id}.json", files[METRICS_FILE])
    store.put(candidate_key(run_id, EVALUATION_FILE), encode(evaluation))
    return evaluation
