"""The demo from start to end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import structlog
from rich.console import Console
from rich.table import Table

from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.adapters.registry import Tracking, TrackingSettings
from cardfraud.adapters.sources import handbook
from cardfraud.contracts.sources import Source
from cardfraud.simulation import SimulationSettings, Simulator
from cardfraud.steps.validate.result import ValidationResult
from cardfraud_pipelines.demo.examples import choose_examples
from cardfraud_pipelines.demo.ladder import measure_ladder
from cardfraud_pipelines.demo.outcome import DataSeen, DemoOutcome
from cardfraud_pipelines.demo.parity import ServedDiffersFromOffline
from cardfraud_pipelines.demo.pipeline import (
    Published,
    bring_in,
    frauds_by_day,
    make_features,
    train_and_publish,
)
from cardfraud_pipelines.demo.plan import make_plan
from cardfraud_pipelines.demo.replay import in_order, instance
from cardfraud_pipelines.demo.report import write_report
from cardfraud_pipelines.demo.stages import Stages
from cardfraud_pipelines.demo.traffic import compare_with_offline, replay_days
from cardfraud_pipelines.demo.workspace import Workspace
from cardfraud_pipelines.local.endpoints import Endpoints
from cardfraud_pipelines.local.hold import hold
from cardfraud_pipelines.local.serving import Deployed, start_track
from cardfraud_pipelines.local.stack import LocalStack

MODEL: Final = "fraud"
SIMULATED_DAYS: Final = 120
SIMULATED_FROM: Final = date(2026, 5, 1)
_HANDBOOK_TODAY: Final = date(2018, 8, 8)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DemoConfig:
    """What can be chosen about a demo.

    Attributes:
        data: folder in the handbook's schema; None simulates.
        simulation: the simulated world; None takes the usual one.
        replay_days: days to replay.
        train_days: days to train on, at most.
        today: first day to replay; None takes the last possible one.
        keep: whether to leave the servers up.
        seed: of the simulation and of the models.
        out: folder of the report.
        stack: folder of the servers' logs and data.
    """

    data: Path | None
    replay_days: int
    train_days: int
    today: date | None
    keep: bool
    seed: int
    out: Path
    stack: Path = Path("build/local/demo")
    simulation: SimulationSettings | None = None


def run_demo(config: DemoConfig) -> DemoOutcome:
    """Run the whole loop and write ``report.html``.

    Raises:
        ServedDiffersFromOffline: a served score is not the offline one; the report is written.
        CardfraudError: any step or server failed; says which.
    """
    console = Console()
    source, described = _source(config)
    days = source.days()
    plan = make_plan(
        days,
        replay_days=config.replay_days,
        train_days=config.train_days,
        today=config.today or _default_today(config, days),
    )
    console.print(
        f"[bold]cardfraud demo[/bold]: {described}, replaying {plan.replay}", soft_wrap=True
    )
    stages = Stages(console)
    with (
        _logging_to(config.out / "demo.log"),
        LocalStack(
            config.stack,
            report=lambda line: console.print(
                f"  {line}", style="dim", highlight=False, soft_wrap=True
            ),
        ) as stack,
    ):
        places = _object_store(stack.endpoints)
        work = Workspace(
            source=source,
            plan=plan,
            store=ObjectStore(places),
            features=FeatureStore(_feature_store(stack.endpoints), places),
            stages=stages,
            seed=config.seed,
        )
        outcome, deployed = _run(work, stack, described, config.out)
        report = write_report(outcome, config.out)
        _print_summary(console, outcome, report)
        if not outcome.parity.holds:
            raise ServedDiffersFromOffline(outcome.parity)
        if config.keep:
            _hold(work, stack, deployed)
    return outcome


def _run(
    work: Workspace, stack: LocalStack, described: str, out: Path
) -> tuple[DemoOutcome, Deployed]:
    validation = bring_in(work)
    make_features(work)
    with work.stages.stage("wait for MLflow"):
        url = stack.wait_for_mlflow()
    tracking = Tracking(TrackingSettings(tracking_uri=url, experiment=MODEL), work.store.settings)
    published = train_and_publish(work, tracking)
    ladder = measure_ladder(work, published)
    deployed = _serve(work, stack, published)
    traffic, seconds = replay_days(work, deployed.predict_url)
    replayed, parity = compare_with_offline(work, traffic, published.bundle, seconds)
    outcome = DemoOutcome(
        plan=work.plan,
        data=_data_seen(described, validation, frauds_by_day(work.plan.history, work.store)),
        models=published.models,
        bundle=published.bundle,
        policy=published.policy_digest,
        review_threshold=published.policy.thresholds.review,
        decline_threshold=published.policy.thresholds.decline,
        replayed=replayed,
        parity=parity,
        examples=choose_examples(traffic.rows, traffic.served.predictions, replayed.fraud),
        ladder=ladder,
        stages=tuple(work.stages.done),
        object_store=stack.endpoints.s3_server,
        validation_report=_save(work.store, validation.report_html, out, "validation.html"),
        evaluation_report=_save(work.store, published.evaluation.report, out, "evaluation.html"),
    )
    return outcome, deployed


def _serve(work: Workspace, stack: LocalStack, published: Published) -> Deployed:
    with work.stages.stage("start the servers") as stage:
        deployed = start_track(
            stack.supervisor,
            stack.endpoints.settings_environment(),
            model=MODEL,
            bundle=published.bundle,
            policy=published.policy_digest,
            clock="replay",
        )
        stage.note = ", ".join(f"{n} ready in {s:.1f} s" for n, s in deployed.ready_seconds.items())
    return deployed


def _source(config: DemoConfig) -> tuple[Source, str]:
    if config.data is not None:
        return handbook(config.data), "the Fraud Detection Handbook's transactions"
    settings = config.simulation or SimulationSettings(
        seed=config.seed, start=SIMULATED_FROM, days=SIMULATED_DAYS + config.replay_days
    )
    return Simulator(settings), f"simulated transactions, seed {settings.seed}"


def _default_today(config: DemoConfig, days: list[date]) -> date | None:
    """The handbook's own test week begins on 2018-08-08; other data is replayed to its end."""
    last = _HANDBOOK_TODAY + config.replay_days * _DAY - _DAY
    fits = config.data is not None and days and days[0] <= _HANDBOOK_TODAY and last <= days[-1]
    return _HANDBOOK_TODAY if fits else None


def _object_store(endpoints: Endpoints) -> ObjectStoreSettings:
    return ObjectStoreSettings.model_validate(
        {
            "bucket": endpoints.bucket,
            "endpoint_url": endpoints.s3_url,
            "region": endpoints.s3_region,
            "access_key_id": endpoints.s3_access_key,
            "secret_access_key": endpoints.s3_secret_key,
        }
    )


def _feature_store(endpoints: Endpoints) -> FeatureStoreSettings:
    return FeatureStoreSettings.model_validate(
        {
            "redis_host": endpoints.redis_host,
            "redis_port": endpoints.redis_port,
            "redis_password": endpoints.redis_password,
        }
    )


def _data_seen(described: str, validation: ValidationResult, frauds: list[int]) -> DataSeen:
    days = validation.days
    return DataSeen(
        source=described,
        days=tuple(day.day for day in days),
        transactions=np.array([day.rows_in for day in days]),
        frauds=np.array(frauds),
        kept=validation.kept,
        quarantined=validation.quarantined,
    )


def _save(store: ObjectStore, key: str, folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(store.get(key))
    return path


def _print_summary(console: Console, outcome: DemoOutcome, report: Path) -> None:
    table = Table(title="Models, on the same held-out week (* is served)", title_justify="left")
    table.add_column("model")
    for column in ("AP", "AUC ROC", "card precision@100", "of its ceiling"):
        table.add_column(column, justify="right")
    for model in outcome.models:
        share = model.test_card_precision / max(model.test_card_precision_ceiling, 1e-9)
        table.add_row(
            f"{model.algorithm}{' *' if model.chosen else ''}",
            f"{model.test_average_precision:.3f}",
            f"{model.test_auc_roc:.3f}",
            f"{model.test_card_precision:.3f}",
            f"{share:.0%}",
        )
    console.print(table)
    parity, seconds = outcome.parity, sum(stage.seconds for stage in outcome.stages)
    verdict = "[green]holds[/green]" if parity.holds else "[red]is broken[/red]"
    console.print(
        f"Served equals offline {verdict}: {parity.rows:,} rows, {parity.differing} differ, "
        f"{parity.unserved} unserved, largest difference {parity.largest:.2g}.",
        soft_wrap=True,
    )
    replayed = outcome.replayed
    caught = replayed.stopped & replayed.fraud
    console.print(
        f"Reviewed or declined {caught.sum():,} of {replayed.fraud.sum():,} frauds and "
        f"{(replayed.stopped & ~replayed.fraud).sum():,} good transactions; "
        f"{replayed.amount[caught].sum():,.0f} of {replayed.amount[replayed.fraud].sum():,.0f} "
        "in fraudulent amounts.",
        soft_wrap=True,
        highlight=False,
    )
    console.print(f"The whole loop took {seconds:.0f} s. Report: {report}", soft_wrap=True)


def _hold(work: Workspace, stack: LocalStack, deployed: Deployed) -> None:
    console = work.stages.console
    row = in_order(work.source.read(work.plan.replay.days[-1]).transactions)[-1]
    moment = row["event_time"] + timedelta(minutes=1)
    example = instance({**row, "transaction_id": "try-me", "event_time": moment})
    body = json.dumps({"instances": [example]})
    console.print("\nThe servers are up. Ask for a decision:\n", style="bold")
    console.print(
        f"curl -s {deployed.predict_url} -H 'content-type: application/json' -d '{body}'",
        soft_wrap=True,
        highlight=False,
    )
    console.print(
        f"\ngRPC: {deployed.transformer_grpc}   metrics: {deployed.transformer_url}/metrics"
        f"   MLflow: {stack.endpoints.mlflow_url}"
        "\nCtrl-C stops everything.",
        highlight=False,
        soft_wrap=True,
    )
    hold(stack.supervisor, console)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Send the steps' log lines to a file beside the report; the terminal shows the stages."""
    before = structlog.get_config()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as log:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.WriteLoggerFactory(file=log),
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            structlog.configure(**before)
