import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardfraud.evaluation.check import Check
from cardfraud.evaluation.gate import GateVerdict
from cardfraud_pipelines.demo.examples import Example
from cardfraud_pipelines.demo.outcome import DataSeen, DemoOutcome, ModelRow, Replayed, Stage
from cardfraud_pipelines.demo.parity import compare
from cardfraud_pipelines.demo.plan import make_plan
from cardfraud_pipelines.demo.report import report_html, write_report
from cardfraud_pipelines.ladder.result import LadderResult, RungFigures
from tests.support.browser import CHROMIUM, look

FIRST = date(2026, 3, 1)
DAYS = [FIRST + timedelta(days=i) for i in range(52)]
PICTURES = 10

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not on PATH: nothing to open the page in"
)


def verdict(sentence: str, *, passed: bool) -> GateVerdict:
    """A verdict of one check; what else a verdict holds is not on the page."""
    check = Check(name="some_check", passed=passed, value=63, limit=50, sentence=sentence)
    fields: dict[str, Any] = {"passed": passed, "checks": (check,)}
    return GateVerdict.model_construct(**fields)


def model(algorithm: str, validation: float, judged: GateVerdict) -> ModelRow:
    """A trained model; the one that passed is served."""
    return ModelRow(
        algorithm=algorithm,
        validation_average_precision=validation,
        test_average_precision=validation - 0.01,
        test_auc_roc=0.9,
        test_card_precision=0.2,
        test_card_precision_ceiling=0.3,
        test_brier=0.004,
        onnx_difference=1e-7,
        chosen=judged.passed,
        verdict=judged,
        against="logistic_regression" if judged.passed else None,
    )


def example(
    name: str, probability: float | None, decision: str, reasons: tuple[str, ...]
) -> Example:
    """One transaction that was a fraud."""
    return Example(
        transaction_id=name,
        moment=datetime(2026, 4, 21, 9, 30, tzinfo=UTC),
        amount=1_234.5,
        probability=probability,
        decision=decision,
        reasons=reasons,
        health="12 h old",
        fraud=True,
    )


def ladder() -> LadderResult:
    """Two rungs, of which the lower one loses a third of the ranking."""
    full = RungFigures(
        name="full",
        meaning="everything is there",
        asks_model=True,
        card_precision=0.3,
        share_of_ceiling=0.75,
        average_precision=0.7,
        recall_at_budget=0.8,
        alerts_per_day=90,
        frauds_stopped=0.7,
        told=0,
    )
    lower = {"name": "store gone", "meaning": "rules alone", "asks_model": False}
    gone = full.model_copy(update=lower | {"card_precision": 0.2, "told": 1.0})
    return LadderResult(
        data="a small sample",
        first_day=DAYS[-3],
        last_day=DAYS[-2],
        rows=19_000,
        frauds=150,
        card_precision_ceiling=0.4,
        algorithm="gradient_boosting",
        alert_budget_per_day=100,
        review_threshold=0.3,
        decline_threshold=0.31,
        rules=("large_amount",),
        when_degraded="review",
        rungs=(full, gone),
    )


def outcome(folder: Path, *, shift: float = 0.0, unserved: int = 0) -> DemoOutcome:
    """A demo of 52 days and 200 replayed transactions of 10.00, of which 20 are frauds.

    Args:
        folder: where the other two reports are.
        shift: how far the first served score is from the offline one.
        unserved: how many of the last transactions got no score.
    """
    plan = make_plan(DAYS, replay_days=1, train_days=14)
    offline = np.linspace(0.0, 0.9, 200)
    served = offline.copy()
    served[0] += shift
    served[200 - unserved :] = np.nan
    fraud = np.arange(200) >= 180
    decision = ["approve"] * 185 + ["review"] * 10 + ["decline"] * 5
    return DemoOutcome(
        plan=plan,
        data=DataSeen(
            source="a small sample",
            days=tuple(plan.history.days),
            transactions=np.full(len(plan.history.days), 1_000),
            frauds=np.full(len(plan.history.days), 9),
            kept=57_990,
            quarantined=10,
        ),
        models=(
            model("logistic_regression", 0.51, verdict("at most 0.05 is allowed", passed=False)),
            model("gradient_boosting", 0.72, verdict("63 frauds <enough>", passed=True)),
        ),
        bundle="sha256-" + "a" * 64,
        policy="sha256-" + "b" * 64,
        review_threshold=0.30,
        decline_threshold=0.31,
        replayed=Replayed(
            served=served,
            offline=offline,
            fraud=fraud,
            amount=np.full(200, 10.0),
            decision=tuple(decision),
            latencies_ms=np.array([4.0, 6.0, 9.0]),
            batch_sizes=np.array([50, 50, 100]),
            seconds=2.5,
        ),
        parity=compare([f"tx-{i}" for i in range(200)], served, offline),
        examples=(
            example("caught", 0.97, "decline", ("large_amount: the amount is <above> 300",)),
            example("unasked", None, "review", ("the model could not be asked",)),
            example("missed", 0.01, "approve", ()),
        ),
        ladder=ladder(),
        stages=(Stage("ingest", 1.5, "58 days"), Stage("train", 20.0, "average precision 0.72")),
        object_store="moto",
        evaluation_report=folder / "evaluation.html",
        validation_report=folder / "deeper" / "validation.html",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pages are, as far as their links know."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    """The page of a demo in which all scores agree."""
    return report_html(outcome(folder), folder)


@pytest.fixture(scope="module")
def broken(folder: Path) -> str:
    """The page of a demo in which one score differs and three are missing."""
    return report_html(outcome(folder, shift=0.25, unserved=3), folder)


def test_agreement_is_green_and_has_its_numbers(html: str) -> None:
    """Whoever opens the page sees at once that all scores agree."""
    assert '<div class="answer yes"><span>Does served equal offline?</span><b>yes</b>' in html
    assert "All 200 served scores equal the offline scores" in html
    assert "answer no" not in html
    assert "verdict no" not in html[: html.index("Models and the gate")]


def test_a_broken_promise_is_red_and_has_its_numbers(broken: str) -> None:
    """A difference and missing scores are said first, with the worst transaction."""
    assert '<div class="answer no"><span>Does served equal offline?</span><b>no</b>' in broken
    assert "1 of 200 scores differ, 3 are missing" in broken
    assert '<div class="box verdict no"><b>1 of 200 served scores differ' in broken
    assert "is 0.25, of transaction tx-0" in broken
    assert "Served does not equal offline" in broken


def test_the_page_says_what_was_caught_and_which_model_won(html: str) -> None:
    """Frauds, money and the choice stand at the top, counted from the replayed rows."""
    top = html[: html.index("<section")]

    assert "live traffic of 2026-04-21." in top
    assert "<b>15 of 20</b>" in top
    assert "false alerts: 0 of 200 transactions" in top
    assert "<b>75%</b><span>150 of 200 in frauds</span>" in top
    assert (
        "<b>gradient boosting</b><span>average precision 0.720 on validation; "
        "logistic regression 0.510</span>" in top
    )


def test_a_false_alert_is_counted(tmp_path: Path) -> None:
    """A good transaction that was held up is named beside what was caught."""
    told = outcome(tmp_path)
    replayed = replace(told.replayed, decision=("review", *told.replayed.decision[1:]))

    html = report_html(replace(told, replayed=replayed), tmp_path)

    assert "false alerts: 1 of 200" in html


def test_a_replay_without_any_fraud_has_a_page_too(tmp_path: Path) -> None:
    """A quiet day gives no share of nothing."""
    told = outcome(tmp_path)
    quiet = replace(told.replayed, fraud=np.zeros(200, dtype=np.bool_))

    html = report_html(replace(told, replayed=quiet), tmp_path)

    assert "<b>none to catch</b>" in html
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL)


def test_every_picture_is_there_and_nothing_comes_from_outside(html: str) -> None:
    """The page is one file: ten drawings, no script, no address but the two reports beside it."""
    assert html.count('<svg role="img"') == html.count("<figure") == PICTURES
    assert not re.search(r"<(script|link|img|iframe|object)\b|@import|url\((?!#)", html)
    outside = [a for a in re.findall(r'(?:href|src)="([^"]*)"', html) if not a.startswith("#")]
    assert outside == ["evaluation.html", "deeper/validation.html"]
    assert "63 frauds &lt;enough&gt;" in html


def test_decisions_stand_with_their_reasons(html: str) -> None:
    """Amount, probability, decision, reasons and health of each example; what it turned out."""
    section = html[html.index("Decisions and their reasons") :]
    for text in (
        '<td class="n">21 Apr 09:30</td>',
        '<td class="n">1,234.50</td><td class="n">0.970</td><td>decline</td>',
        "large_amount: the amount is &lt;above&gt; 300",
        '<td class="n">not asked</td><td>review</td>',
        '<td>none needed</td><td>12 h old</td><td class="bad">fraud</td>',
    ):
        assert text in section


def test_every_candidate_has_its_verdict(html: str) -> None:
    """Check, value, limit and outcome of each candidate, of the rejected one too."""
    assert '<div class="box verdict"><b>Gradient boosting passed all 1 checks' in html
    assert '<div class="box verdict no"><b>Logistic regression rejected.</b>' in html
    section = html[html.index("The gate's verdicts".replace("'", "&#39;")) :]
    assert "<h3>logistic regression: rejected</h3>" in section
    assert "<h3>gradient boosting: passed, compared with the logistic regression</h3>" in section
    line = '<td>some check</td><td class="n">63</td><td class="n">50</td>'
    assert f'{line}<td class="bad">failed</td><td>at most 0.05 is allowed</td>' in section
    assert f'{line}<td class="good">passed</td>' in section


def test_the_ladder_says_what_each_rung_costs(html: str) -> None:
    """Every rung with its figure and its loss, on days that are named."""
    section = html[html.index("When parts fail") :]
    assert "19,000 transactions with 150 frauds" in section
    assert '<td>full</td><td class="n">0.300</td><td class="n"></td>' in section
    assert '<td>store gone</td><td class="n">0.200</td><td class="n">0.100</td>' in section


def test_the_page_is_written_where_it_was_asked_for(folder: Path, html: str) -> None:
    """Two pages of the same outcome are the same bytes."""
    path = write_report(outcome(folder), folder)

    assert path == folder / "report.html"
    assert path.read_text(encoding="utf-8") == html


@needs_chromium
@pytest.mark.parametrize("width", [1280, 420])
def test_a_browser_shows_all_of_it(broken: str, tmp_path: Path, width: int) -> None:
    """On a desk and on a phone nothing hangs over the edge and every picture has a size."""
    seen = look(broken, tmp_path, width=width)

    assert seen.errors == ()
    assert seen.width == width
    assert seen.content == seen.room
    assert len(seen.pictures) == PICTURES
    assert all(w > 250 and h > 60 for w, h in seen.pictures)
