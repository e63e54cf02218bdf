import re
from datetime import date

import numpy as np
import pytest

from cardfraud.contracts.candidate import Candidate, Period
from cardfraud.contracts.policy import Policy, Thresholds
from cardfraud.evaluation.actions import act
from cardfraud.evaluation.cost import decision_costs
from cardfraud.evaluation.gate import judge
from cardfraud.evaluation.held_out import HeldOut, Scored
from cardfraud.evaluation.slices import worst_slices
from cardfraud.steps.evaluate.charts import Drawn, charts
from cardfraud.steps.evaluate.dimensions import dimensions
from cardfraud.steps.evaluate.figures import draw, measure
from cardfraud.steps.evaluate.metrics import Metrics
from cardfraud.steps.evaluate.report import render

POLICY = Policy(thresholds=Thresholds(review=0.4, decline=0.45))
CHANCE = np.random.default_rng(3)
N = 600
LABELS = CHANCE.random(N) < 0.15
GOOD = np.clip(0.35 * LABELS + 0.5 * CHANCE.random(N), 0, 1).astype(np.float32)
POOR = np.clip(0.2 * LABELS + 0.6 * CHANCE.random(N), 0, 1).astype(np.float32)
ROWS = HeldOut(
    labels=LABELS,
    amounts=np.full(N, 20.0),
    days=np.arange(N) // 100 + 20_000,
    cards=np.array([f"card-{i % 50}" for i in range(N)]),
    segments=np.array(["<old>" if i % 2 else "new" for i in range(N)], dtype=object),
    features=np.zeros((N, 0), dtype=np.float32),
)


def drawn(name: str, scores: np.ndarray) -> Drawn:
    """One scorer, measured on the rows."""
    figures = measure(ROWS, Scored(scores, POLICY.thresholds), POLICY, k=10)
    return Drawn(name, scores, draw(ROWS, scores, POLICY), figures)


def page_of(*many: Drawn) -> str:
    """The report of the first, beside the second."""
    period = Period(start=date(2024, 3, 1), end=date(2024, 3, 8))
    candidate = Candidate(
        run_id="0" * 32,
        tracked_model="m-1",
        model="fraud",
        algorithm="gradient_boosting",
        split="time",
        train=period,
        validation=period,
        test=period,
        validation_average_precision=0.5,
        files={"model.onnx": "a" * 64},
    )
    metrics = Metrics(
        model="fraud",
        algorithm="gradient_boosting",
        test_start="2024-03-01",
        test_end="2024-03-08",
        split="time",
        candidate=many[0].figures,
        champion=many[1].figures if len(many) > 1 else None,
        champion_digest="sha256-" + "c" * 64 if len(many) > 1 else None,
        champion_policy_digest=POLICY.digest if len(many) > 1 else None,
        importance=None,
        slices=worst_slices(
            LABELS,
            many[0].scores >= POLICY.thresholds.review,
            decision_costs(
                LABELS,
                act(many[0].scores, POLICY.thresholds),
                ROWS.amounts,
                costs=POLICY.costs,
            ),
            dimensions(ROWS),
        ),
        latency=None,
        policy_digest=POLICY.digest,
        verdict=judge(
            ROWS,
            many[0].scores,
            POLICY,
            champion=Scored(many[1].scores, POLICY.thresholds) if len(many) > 1 else None,
            champion_policy=POLICY if len(many) > 1 else None,
        ),
    )
    return render(candidate, metrics, POLICY, LABELS, many)


@pytest.fixture(scope="module")
def good() -> Drawn:
    """A scorer that tells most frauds from the rest."""
    return drawn("candidate", GOOD)


@pytest.fixture(scope="module")
def poor() -> Drawn:
    """A scorer that tells few."""
    return drawn("champion", POOR)


def test_candidate_and_champion_stand_on_the_same_axes(good: Drawn, poor: Drawn) -> None:
    """One picture holds both scorers, with the figure of each beside its name."""
    by_title = {chart.title: chart.svg for chart in charts(POLICY, LABELS, [good, poor])}

    for title in ("ROC curve", "Precision and recall", "Card precision at 10, by day"):
        assert re.search(r">candidate, \w+ 0\.\d{3}<", by_title[title])
        assert re.search(r">champion, \w+ 0\.\d{3}<", by_title[title])
    for title in ("ROC curve", "Precision and recall"):
        assert "no skill" in by_title[title]
        assert ">review threshold<" in by_title[title]


def test_the_roc_curve_begins_where_the_line_without_skill_does(good: Drawn) -> None:
    """No row flagged is the point (0, 0)."""
    svg = charts(POLICY, LABELS, [good])[1].svg
    begins = re.findall(
        r'<path d="M ([\d.]+ [\d.]+) \nL[^"]*" clip-path="[^"]*" style="([^"]*)', svg
    )
    curve = [start for start, style in begins if "#2563a8" in style]
    without_skill = [start for start, style in begins if "dasharray" in style]

    assert len(curve) == len(without_skill) == 1
    assert curve == without_skill


def test_a_rejected_candidate_is_red(poor: Drawn, good: Drawn) -> None:
    """A candidate that is worse than its champion says no at the top, and why."""
    html = page_of(Drawn("candidate", POOR, poor.curves, poor.figures), good)

    assert '<div class="answer no"><span>May it be published?</span><b>no</b>' in html
    assert "Not passed" in html
    assert re.search(r'<td class="bad">failed</td><td>Against the champion', html)


def test_without_a_champion_there_is_no_empty_column(good: Drawn, poor: Drawn) -> None:
    """The champion has a column when there is one."""
    assert '<th class="n">champion</th>' in page_of(good, poor)
    alone = page_of(good)
    assert '<th class="n">champion</th>' not in alone
    assert '<th class="n">difference</th>' not in alone


def test_names_from_data_are_escaped_and_periods_end_on_their_last_day(good: Drawn) -> None:
    """A segment's name is text, whatever it is, and a period is said as days that are in it."""
    html = page_of(good)

    assert "<td>&lt;old&gt;</td>" in html
    assert "<old>" not in html
    assert "Held-out time 2024-03-01 to 2024-03-07: 600 transactions" in html
    assert page_of(good) == html


def test_a_slice_beyond_chance_is_said_to_be_no_proof() -> None:
    """Rows of one card depend on each other, and the exact intervals do not know of it."""
    page = page_of(drawn("candidate", GOOD))
    assert "exact for independent rows" in page
    assert "one to look into, no proof" in page
