"""From raw transactions to a deployed model: the steps, in the order of the data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.registry import Tracking
from cardfraud.contracts import keys
from cardfraud.contracts.candidate import Period
from cardfraud.contracts.policy import Policy
from cardfraud.contracts.sources import Source
from cardfraud.steps.deploy.config import DeployConfig
from cardfraud.steps.deploy.step import run as deploy
from cardfraud.steps.evaluate.config import EvaluateConfig
from cardfraud.steps.evaluate.step import EvaluateResult
from cardfraud.steps.evaluate.step import run as evaluate
from cardfraud.steps.featurize.config import FeaturizeConfig
from cardfraud.steps.featurize.snapshots import materialize_day
from cardfraud.steps.featurize.step import run as featurize
from cardfraud.steps.ingest.config import IngestConfig
from cardfraud.steps.ingest.step import run as ingest
from cardfraud.steps.publish.config import PublishConfig
from cardfraud.steps.publish.step import PublishResult
from cardfraud.steps.publish.step import run as publish
from cardfraud.steps.train.choice import choose
from cardfraud.steps.train.config import TrainConfig
from cardfraud.steps.train.step import TrainResult
from cardfraud.steps.train.step import run as train
from cardfraud.steps.validate.config import ValidateConfig
from cardfraud.steps.validate.result import ValidationResult
from cardfraud.steps.validate.step import run as validate
from cardfraud_pipelines.demo.outcome import ModelRow
from cardfraud_pipelines.demo.plan import Plan, Span
from cardfraud_pipelines.demo.stages import Stages

ALGORITHMS: Final = ("logistic_regression", "random_forest", "gradient_boosting")
"""The baseline first: it becomes the champion that the others must beat."""


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


def bring_in(source: Source, span: Span, store: ObjectStore, stages: Stages) -> ValidationResult:
    """Ingest and validate the days of a span.

    Raises:
        DataRejected: the data fails a limit of validation.
    """
    last = span.end - timedelta(days=1)
    with stages.stage("ingest") as stage:
        ingested = ingest(
            IngestConfig(start=span.start, end=last), source, store, progress=stage.at
        )
        stage.note = f"{ingested.written} days, {ingested.users:,} users"
    with stages.stage("validate") as stage:
        result = validate(ValidateConfig(start=span.start, end=last), store, progress=stage.at)
        stage.note = f"{result.kept:,} rows kept, {result.quarantined:,} in quarantine"
    return result


def make_features(plan: Plan, store: ObjectStore, features: FeatureStore, stages: Stages) -> None:
    """Write the values that training reads, the state as of today, and the state into Redis."""
    with stages.stage("featurize") as stage:
        features.apply()
        result = featurize(
            FeaturizeConfig(start=plan.train.start, end=plan.history.end - timedelta(days=1)),
            store,
            features,
            progress=stage.at,
        )
        stage.note = f"values of {result.rows:,} rows from {result.rows_read:,}"
    with stages.stage("materialize") as stage:
        materialize_day(features, result.snapshot.day)
        stage.note = (
            f"state of {result.snapshot.users:,} users and {result.snapshot.merchants:,} merchants"
        )


def train_and_publish(
    plan: Plan,
    seed: int,
    store: ObjectStore,
    features: FeatureStore,
    tracking: Tracking,
    stages: Stages,
) -> Published:
    """Train, choose on validation, evaluate against the baseline, publish and deploy.

    Raises:
        DataRejected: the chosen candidate does not pass the gate.
    """
    sets = RememberedSets(features)
    trained = [
        _train(algorithm, plan, seed, store, sets, tracking, stages) for algorithm in ALGORITHMS
    ]
    chosen = choose([result.candidate for result in trained])
    with stages.stage("evaluate") as stage:
        baseline = evaluate(
            EvaluateConfig(run_id=trained[0].candidate.run_id, compare_with="none"), store
        )
        if baseline.evaluation.passed:
            publish(PublishConfig(run_id=trained[0].candidate.run_id), store, tracking)
        others = [
            evaluate(EvaluateConfig(run_id=result.candidate.run_id), store)
            for result in trained[1:]
        ]
        evaluations = [baseline, *others]
        by_run = {r.candidate.run_id: e for r, e in zip(trained, evaluations, strict=True)}
        stage.note = f"{chosen.algorithm} was best on validation"
    with stages.stage("publish and deploy") as stage:
        published = publish(PublishConfig(run_id=chosen.run_id), store, tracking)
        deploy(DeployConfig(), store)
        stage.note = published.manifest.bundle_digest[:19]
    return _published(trained, evaluations, by_run[chosen.run_id], chosen.algorithm, published)


def frauds_by_day(span: Span, store: ObjectStore) -> list[int]:
    """Frauds of each day of a span as the latest labels say."""
    return [
        int(latest_labels(store.get_frame(keys.partition(keys.RAW_LABELS, day)))["is_fraud"].sum())
        for day in span.days
    ]


def latest_labels(labels: pl.DataFrame) -> pl.DataFrame:
    """The last word on each transaction: transaction_id and is_fraud."""
    return (
        labels.sort("revision", "reported_at")
        .unique("transaction_id", keep="last")
        .select("transaction_id", "is_fraud")
    )


def _train(
    algorithm: str,
    plan: Plan,
    seed: int,
    store: ObjectStore,
    sets: RememberedSets,
    tracking: Tracking,
    stages: Stages,
) -> TrainResult:
    with stages.stage(f"train {algorithm.split('_')[0]}") as stage:
        config = TrainConfig(
            algorithm=algorithm,
            seed=seed,
            train=_period(plan.train),
            validation=_period(plan.validation),
            test=_period(plan.test),
        )
        result = train(config, store, sets, tracking)
        found = result.candidate.validation_average_precision
        stage.note = f"average precision {found:.3f} on validation"
    return result


def _period(span: Span) -> Period:
    return Period(start=span.start, end=span.end)


def _published(
    trained: list[TrainResult],
    evaluations: list[EvaluateResult],
    evaluation: EvaluateResult,
    chosen: str,
    published: PublishResult,
) -> Published:
    return Published(
        models=tuple(
            _model_row(result, judged, chosen=result.candidate.algorithm == chosen)
            for result, judged in zip(trained, evaluations, strict=True)
        ),
        evaluation=evaluation,
        bundle=published.manifest.bundle_digest,
        policy_digest=published.policy,
        policy=evaluation.policy,
    )


def _model_row(result: TrainResult, judged: EvaluateResult, *, chosen: bool) -> ModelRow:
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
    )


def _known(value: float | None) -> float:
    return np.nan if value is None else value
