"""Evaluate one candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from pydantic import BaseModel, ConfigDict

from cardfraud.adapters.candidates import candidate_key, read_candidate, read_candidate_file
from cardfraud.adapters.documents import encode
from cardfraud.contracts import keys
from cardfraud.contracts.bundle import CARD_FILE, LINEAGE_FILE, METRICS_FILE
from cardfraud.contracts.candidate import CANDIDATE_FILE, TRAINED_FILES
from cardfraud.contracts.digests import sha256_hex
from cardfraud.contracts.evaluation import EVALUATION_FILE, POLICY_FILE, Evaluation
from cardfraud.contracts.policy import Policy
from cardfraud.evaluation.check import Check
from cardfraud.evaluation.cost import decision_costs
from cardfraud.evaluation.gate import GateVerdict, judge
from cardfraud.evaluation.held_out import Scored
from cardfraud.evaluation.importance import Importance, permutation_importance
from cardfraud.evaluation.slices import WorstSlices, worst_slices
from cardfraud.steps.evaluate.card import model_card
from cardfraud.steps.evaluate.case import Case, read_case
from cardfraud.steps.evaluate.charts import Drawn
from cardfraud.steps.evaluate.config import EvaluateConfig
from cardfraud.steps.evaluate.dimensions import dimensions
from cardfraud.steps.evaluate.figures import Figures, draw, measure
from cardfraud.steps.evaluate.metrics import Metrics
from cardfraud.steps.evaluate.report import render

if TYPE_CHECKING:
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


def run(config: EvaluateConfig, store: ObjectStore) -> EvaluateResult:
    """Judge a candidate; leave metrics, a model card, a policy, a report and the verdict.

    A candidate that fails is no error: the verdict says why, and publication refuses it.

    Raises:
        NotFound: there is no such candidate.
        InvalidFrame: a transaction stands more than once in the rows.
        IntegrityError: a file of the candidate or of the champion is not what was written.
        InvalidSetting: the champion reads other features, so that the rows fit only one of both; or
            a rule reads a value that no request has.
    """
    candidate = read_candidate(store, config.run_id)
    lineage = read_candidate_file(store, candidate, LINEAGE_FILE)
    case = read_case(config, store, candidate)
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


def _metrics(config: EvaluateConfig, case: Case) -> Metrics:
    candidate, champion, k = case.candidate, case.champion, config.card_precision_k
    return Metrics(
        model=candidate.model,
        algorithm=candidate.algorithm,
        test_start=candidate.test.start.isoformat(),
        test_end=candidate.test.end.isoformat(),
        split=candidate.split,
        candidate=measure(case.rows, case.scored, case.policy, k=k),
        champion=measure(case.rows, champion.scored, case.policy, k=k) if champion else None,
        champion_digest=champion.digest if champion else None,
        champion_policy_digest=(champion.policy.digest if champion and champion.policy else None),
        importance=_importance(config, case),
        slices=_slices(case),
        latency=case.latency,
        policy_digest=case.policy.digest,
        verdict=_verdict(config, case),
    )


def _importance(config: EvaluateConfig, case: Case) -> Importance | None:
    labels = case.rows.labels
    if not config.importance_rows or not labels.any() or labels.all():
        return None
    return permutation_importance(
        case.scorer.score,
        case.inputs,
        labels,
        case.scorer.names,
        rows=config.importance_rows,
        seed=config.seed,
    )


def _slices(case: Case) -> WorstSlices:
    rows, actions = case.rows, case.scored.actions(case.rows)
    return worst_slices(
        rows.labels,
        actions.stopped,
        decision_costs(rows.labels, actions, rows.amounts, costs=case.policy.costs),
        dimensions(rows),
        level=case.policy.gate.confidence,
    )


def _drawn(case: Case, metrics: Metrics) -> list[Drawn]:
    def one(name: str, scored: Scored, figures: Figures) -> Drawn:
        return Drawn(name, scored.scores, draw(case.rows, scored.scores, case.policy), figures)

    pictures = [one("candidate", case.scored, metrics.candidate)]
    if case.champion and metrics.champion:
        pictures.append(one("champion", case.champion.scored, metrics.champion))
    return pictures


def _verdict(config: EvaluateConfig, case: Case) -> GateVerdict:
    verdict = judge(
        case.rows,
        case.scored.scores,
        case.policy,
        champion=case.champion.scored if case.champion else None,
        champion_policy=case.champion.policy if case.champion else None,
        allow_looser_limits=config.allow_looser_limits,
        latency_p99_ms=case.latency.p99_ms if case.latency else None,
        k=config.card_precision_k,
        seed=config.seed,
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
    config: EvaluateConfig, store: ObjectStore, case: Case, metrics: Metrics, card: bytes
) -> Evaluation:
    run_id = case.candidate.run_id
    files = {METRICS_FILE: encode(metrics), CARD_FILE: card, POLICY_FILE: case.policy.encode()}
    judged = {file: case.candidate.files[file] for file in TRAINED_FILES}  # read and compared
    written = {CANDIDATE_FILE: encode(case.candidate), **files}
    evaluation = Evaluation(
        run_id=run_id,
        compared_with=config.compare_with,
        compared_bundle=metrics.champion_digest,
        policy=case.policy.digest,
        passed=metrics.verdict.passed,
        reasons=metrics.verdict.reasons,
        files=judged | {file: sha256_hex(content) for file, content in written.items()},
    )
    for file, content in files.items():
        store.put(candidate_key(run_id, file), content)
    store.put(f"{keys.EVALUATION_REPORTS}/{run_id}.json", files[METRICS_FILE])
    store.put(candidate_key(run_id, EVALUATION_FILE), encode(evaluation))
    return evaluation
