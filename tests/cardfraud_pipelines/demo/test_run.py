from datetime import date
from pathlib import Path

import numpy as np
import pytest

from cardfraud.simulation import SimulationSettings
from cardfraud_pipelines.demo.outcome import DemoOutcome
from cardfraud_pipelines.demo.run import DemoConfig, run_demo

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # The whole system in one process: MLflow and Feast warn about their own code.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo leaves its report."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def outcome(folder: Path) -> DemoOutcome:
    """A small world, all of the way through real servers, with a midnight in the replay."""
    world = SimulationSettings(seed=7, start=date(2026, 5, 1), days=72, users=500, merchants=250)
    return run_demo(
        DemoConfig(
            data=None,
            replay_days=2,
            train_days=28,
            today=None,
            keep=False,
            seed=7,
            out=folder,
            stack=folder / "stack",
            simulation=world,
        )
    )


def test_every_served_score_is_the_offline_score(outcome: DemoOutcome) -> None:
    """Over two days, with the daily jobs between them, no served score differs from offline."""
    assert outcome.parity.holds
    assert outcome.parity.rows == len(outcome.replayed.served) > 1_500
    assert len(np.unique(outcome.replayed.served)) > 100


def test_the_served_model_passed_the_gate_and_beats_chance(outcome: DemoOutcome) -> None:
    """What is served was chosen on validation, passed every check, and finds frauds."""
    (chosen,) = [model for model in outcome.models if model.chosen]
    best = max(model.validation_average_precision for model in outcome.models)

    assert outcome.verdict.passed
    assert chosen.validation_average_precision == best
    frauds = outcome.replayed.fraud
    # In a world this small the scores of honest payments are coarse.
    assert outcome.replayed.served[frauds].mean() > 3 * outcome.replayed.served[~frauds].mean()


def test_every_candidate_was_judged_and_every_decision_is_explained(outcome: DemoOutcome) -> None:
    """Each model has its verdict; a declined or reviewed transaction was given reasons."""
    assert all(model.verdict.checks for model in outcome.models)
    decisions = {one.decision for one in outcome.examples}
    assert decisions >= {"approve", "review"}
    for one in outcome.examples:
        assert one.reasons or one.decision == "approve"


def test_the_ladder_falls(outcome: DemoOutcome) -> None:
    """On the demo's own data a stale merchant costs something, and so does the store's absence."""
    found = {rung.name: rung.average_precision for rung in outcome.ladder.rungs}
    assert found["full"] > found["merchant stale"]
    assert found["full"] > found["store gone"]


def test_the_report_lies_with_the_reports_it_links_to(outcome: DemoOutcome, folder: Path) -> None:
    """The page and both linked reports are in the folder."""
    page = (folder / "report.html").read_text(encoding="utf-8")

    for linked in (outcome.evaluation_report, outcome.validation_report):
        assert f'href="{linked.name}"' in page
        assert linked.stat().st_size > 10_000
