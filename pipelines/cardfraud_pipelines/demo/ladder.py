"""What each rung of degradation costs on the demo's own data, with the model that it serves."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from cardfraud.adapters.bundles import load_bundle
from cardfraud.scoring.session import OnnxScorer
from cardfraud.steps.featurize.reading import read_labels, read_transactions
from cardfraud_pipelines.demo.pipeline import Published
from cardfraud_pipelines.demo.workspace import Workspace
from cardfraud_pipelines.ladder.measure import Subject, measure
from cardfraud_pipelines.ladder.requests import asked_by_day
from cardfraud_pipelines.ladder.result import LadderResult

MEASURED_DAYS: Final = 2
"""The last days of the test week; each takes some seconds."""


def measure_ladder(work: Workspace, published: Published) -> LadderResult:
    """Answer the last test days with less and less, by the served bundle and policy."""
    with work.stages.stage("measure the ladder") as stage:
        days = work.plan.test.days[-MEASURED_DAYS:]
        bundle = load_bundle(work.store, "fraud", published.bundle)
        subject = Subject(
            data="the last days of the test week",
            algorithm=bundle.manifest.algorithm,
            scorer=OnnxScorer(bundle.model, bundle.signature),
            policy=published.policy,
        )
        last = work.plan.test.end - timedelta(days=1)
        asked = asked_by_day(
            read_transactions(work.store, last), read_labels(work.store, last), days
        )
        result = measure(subject, asked)
        stage.note = f"{len(result.rungs)} rungs on {result.rows:,} transactions"
    return result
