"""From raw transactions to a deployed model: the steps, in the order of the data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

import numpy as np
import polars as pl

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.registry import Tracking
from cardfraud.contracts import keys
from cardfraud.contracts.candidate import Period
from cardfraud.contracts.policy import Policy
from cardfraud.features.labels import latest_labels
from cardfraud.steps.deploy.config import DeployConfig
from cardfraud.steps.deploy.step import run as deploy
from cardfraud.steps.evaluate.config import EvaluateConfig, PolicyDraft
from cardfraud.steps.evaluate.step import EvaluateResult
from cardfraud.steps.evaluate.step import run as evaluate
from cardfraud.steps.featurize.config import FeaturizeConfig
from cardfraud.steps.featurize.snapshots import materialize_day
from cardfraud.steps.featurize.step import run as featurize
from cardfraud.steps.ingest.config import IngestConfig
from cardfraud.steps.ingest.step import run as ingest
from cardfraud.steps.publish.config import PublishConfig
from cardfraud.steps.publish.step import run as publish
from cardfraud.steps.train.choice import choose
from cardfraud.steps.train.config import TrainConfig
from cardfraud.steps.train.step import TrainResult
from cardfraud.steps.train.step import run as train
from cardfraud.steps.validate.config import ValidateConfig
from cardfraud.steps.validate.result import ValidationResult
from cardfraud.steps.validate.step import run as validate
from cardfraud_pipelines.demo.outcome import ModelRow
from cardfraud_pipelines.demo.plan import Span
from cardfraud_pipelines.demo.workspace import Workspace
from cardfraud_pipelines.ladder.rules import RULES

Algorithm = Literal["logistic_regression", "random_forest", "gradient_boosting"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = (
    "logistic_regression",
    "random_forest",
    "gradient_boosting",
)
"""The baseline first: it becomes the champion that the others must beat."""

PARAMETERS: Final[dict[Algorithm, dict[str, Any]]] = {
    # The forest is the slow one; with a fifth of the rows a tree it costs seconds, not minutes.
    "random_forest": {"row_share": 0.2},
    # As in the scorecard's configuration, which tells why.
    "gradient_boosting": {
        "min_split_gain": 11.0,
        "linear_start": ["merchant_days_since_nonfraud"],
    },
}

POLICY: Final = PolicyDraft(rules=RULES)
"""Thresholds are chosen on each candidate's validation scores; the rules are the same for all."""

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Published:
    """The model that is served, and how it came to be.

    Attributes:
        models: every trained model, judged on the same rows.
        evaluation: of the chosen one, against the baseline.
        bundle: digest of its bundle.
        policy_digest: digest of its policy.
        policy: the policy itself.
    """

    models: tuple[ModelRow, ...]
    evaluation: EvaluateResult
    bundle: str
    policy_digest: str
    policy: Policy


class RememberedSets:
    """Training sets that are joined once: the three models of a demo read the same rows."""

    def __init__(self, features: FeatureStore) -> None:
        """Keep the store that joins them."""
        self._features = features
        self._seen: list[tuple[pl.Series, pl.DataFrame]] = []

    def training_set(self, transactions: pl.DataFrame) -> pl.DataFrame:
        """Return what the feature store returned for the same transactions, or ask it."""
        asked = transactions["transaction_id"]
        for known, frame in self._seen:
            if known.equals(asked):
                return frame
        frame = self._features.training_set(transactions)
        self._seen.append((asked, frame))
        return frame


def bring_in(work: Workspace) -> ValidationResult:
    """Ingest and validate the history.

    Raises:
        DataRejected: the data fails a limit of validation.
    """
    start, last = work.plan.history.start, work.plan.history.end - _DAY
    with work.stages.stage("ingest") as stage:
        ingested = ingest(
            IngestConfig(start=start, end=last), work.source, work.store, progress=stage.at
        )
        stage.note = f"{ingested.written} days, {ingested.users:,} users"
    with work.stages.stage("validate") as stage:
        result = validate(ValidateConfig(start=start, end=last), work.store, progress=stage.at)
        stage.note = f"{result.kept:,} rows kept, {result.quarantined:,} in quarantine"
    return result


def make_features(work: Workspace) -> None:
    """Write the values that training reads, the state as of today, and the state into Redis."""
    with work.stages.stage("featurize") as stage:
        work.features.apply()
        config = FeaturizeConfig(start=work.plan.train.start, end=work.plan.history.end - _DAY)
        result = featurize(config, work.store, work.features, progress=stage.at)
        stage.note = f"values of {result.rows:,} rows from {result.rows_read:,}"
    with work.stages.stage("materialize") as stage:
        materialize_day(work.features, result.snapshot.day)
        stage.note = (
            f"state of {result.snapshot.users:,} users and {result.snapshot.merchants:,} merchants"
        )


def train_and_publish(work: Workspace, tracking: Tracking) -> Published:
    """Train, choose on validation, evaluate against the baseline, publish and deploy.

    Raises:
        DataRejected: the chosen candidate does not pass the gate.
    """
    sets, store = RememberedSets(work.features), work.store
    trained = [_train(algorithm, work, sets, tracking) for algorithm in ALGORITHMS]
    chosen = choose([result.candidate for result in trained])
    with work.stages.stage("evaluate") as stage:
        baseline = trained[0].candidate.run_id
        alone = EvaluateConfig(run_id=baseline, compare_with="none", policy=POLICY)
        judged = {baseline: evaluate(alone, store)}
        if judged[baseline].evaluation.passed:
            publish(PublishConfig(run_id=baseline), store, tracking)
        for result in trained[1:]:
            run_id = result.candidate.run_id
            judged[run_id] = evaluate(EvaluateConfig(run_id=run_id, policy=POLICY), store)
        stage.note = f"{chosen.algorithm} was best on validation"
    with work.stages.stage("publish and deploy") as stage:
        published = publish(PublishConfig(run_id=chosen.run_id), store, tracking)
        deploy(DeployConfig(), store)
        stage.note = published.manifest.bundle_digest[:19]
    evaluation = judged[chosen.run_id]
    return Published(
        models=tuple(
            _model_row(
                result,
                judged[result.candidate.run_id],
                chosen=result.candidate.run_id == chosen.run_id,
                baseline=trained[0].candidate.algorithm,
            )
            for result in trained
        ),
        evaluation=evaluation,
        bundle=published.manifest.bundle_digest,
        policy_digest=published.policy,
        policy=evaluation.policy,
    )


def frauds_by_day(span: Span, store: ObjectStore) -> list[int]:
    """Frauds of each day of a span as the latest labels say."""
    return [
        int(latest_labels(store.get_frame(keys.partition(keys.RAW_LABELS, day)))["is_fraud"].sum())
        for day in span.days
    ]


def _train(
    algorithm: Algorithm, work: Workspace, sets: RememberedSets, tracking: Tracking
) -> TrainResult:
    with work.stages.stage(f"train {algorithm}") as stage:
        config = TrainConfig(
            algorithm=algorithm,
            parameters=PARAMETERS.get(algorithm, {}),
            seed=work.seed,
            train=_period(work.plan.train),
            validation=_period(work.plan.validation),
            test=_period(work.plan.test),
        )
        result = train(config, work.store, sets, tracking)
        found = result.candidate.validation_average_precision
        stage.note = f"average precision {found:.3f} on validation"
    return result


def _period(span: Span) -> Period:
    return Period(start=span.start, end=span.end)


def _model_row(
    result: TrainResult, judged: EvaluateResult, *, chosen: bool, baseline: str
) -> ModelRow:
    figures = judged.metrics.candidate
    return ModelRow(
        algorithm=result.candidate.algorithm,
        validation_average_precision=result.candidate.validation_average_precision,
        test_average_precision=_known(figures.classification.average_precision),
        test_auc_roc=_known(figures.classification.auc_roc),
        test_card_precision=figures.card_precision.mean,
        test_card_precision_ceiling=figures.card_precision.ceiling,
        test_brier=figures.classification.brier,
        onnx_difference=result.parity,
        chosen=chosen,
        verdict=judged.metrics.verdict,
        against=None if judged.metrics.champion_digest is None else baseline,
    )


def _known(value: float | None) -> float:
    return np.nan if value is None else value
