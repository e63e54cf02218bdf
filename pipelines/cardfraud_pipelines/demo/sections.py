"""Sections of the demo's report: examples, the gate's verdicts, the ladder."""

from __future__ import annotations

from markupsafe import Markup

from cardfraud.contracts.policy import Decision
from cardfraud.reporting import page
from cardfraud.reporting.page import Chart
from cardfraud_pipelines.demo.examples import Example
from cardfraud_pipelines.demo.outcome import ModelRow
from cardfraud_pipelines.ladder.pictures import rungs_compared
from cardfraud_pipelines.ladder.result import LadderResult, RungFigures


def examples_section(examples: tuple[Example, ...]) -> Markup:
    """Some transactions with decision and reasons."""
    return page.section(
        "Decisions and their reasons",
        page.note(
            "Some transactions of the replay, as the server answered them: those declined and "
            "reviewed with the highest, the lowest and some scores between, and some approved."
        ),
        page.table(
            [
                page.Cell("event time", "n"),
                page.Cell("amount", "n"),
                page.Cell("probability", "n"),
                "decision",
                "reasons",
                "features",
                "turned out",
            ],
            [_example(one) for one in examples],
        ),
    )


def _example(one: Example) -> list[str | page.Cell]:
    right = one.fraud == (one.decision != Decision.APPROVE)
    return [
        page.Cell(f"{one.moment:%d %b %H:%M}", "n"),
        page.number(one.amount, 2),
        page.Cell("not asked", "n") if one.probability is None else page.number(one.probability),
        one.decision,
        "; ".join(one.reasons) or "none needed",
        one.health,
        page.Cell("fraud" if one.fraud else "legitimate", "good" if right else "bad"),
    ]


def verdicts(models: tuple[ModelRow, ...]) -> Markup:
    """The gate's verdict on each trained candidate, check by check."""
    parts: list[Markup] = []
    for model in models:
        verdict = model.verdict
        said = "passed" if verdict.passed else "rejected"
        against = "" if model.against is None else f", compared with the {model.against}"
        title = f"{model.algorithm}: {said}{against}".replace("_", " ")
        parts.append(page.subsection(title, page.check_table(verdict.checks)))
    return page.section(
        "The gate's verdicts",
        page.note(
            "Every trained candidate is judged on the test week. One that fails a check is not "
            "published, whatever its other figures are."
        ),
        *parts,
    )


def verdict_box(model: ModelRow) -> Markup:
    """Whether one candidate passed, and what it failed."""
    verdict = model.verdict
    name = model.algorithm.replace("_", " ")
    said = f"passed all {len(verdict.checks)} checks" if verdict.passed else "rejected"
    served = ", and is served" if model.chosen else ""
    return page.box(
        f"{name[:1].upper()}{name[1:]} {said}{served}.",
        passed=verdict.passed,
        checks=[(False, sentence) for sentence in verdict.reasons],
    )


def ladder_section(ladder: LadderResult) -> Markup:
    """What is left of the ranking as parts go away."""
    headers = (
        "card precision@100",
        "lost",
        "average precision",
        f"frauds on the day's {ladder.alert_budget_per_day} highest cards",
        "cards stopped a day",
        "frauds stopped",
    )
    return page.section(
        "When parts fail",
        page.note(
            f"The last {(ladder.last_day - ladder.first_day).days + 1} days of the test week, "
            f"{ladder.rows:,} transactions with {ladder.frauds:,} frauds, answered by the same "
            "code with less and less to go on. Where the model is not asked, the rules rank: by "
            "decision, by how many of them fired, then by amount. A marked answer is "
            f"{ladder.when_degraded} at the mildest, so everything is stopped; the analysts' "
            "queue is then what ranks highest. Without store and predictor the answer is the "
            "same as without the store."
        ),
        page.table(
            ["rung", *(page.Cell(text, "n") for text in headers), "what is gone, what answers"],
            [_rung(ladder, rung) for rung in ladder.rungs],
        ),
        page.wide_picture(
            Chart(
                "Card precision@100 by rung",
                "Of the hundred cards that rank highest on a day, the share that is compromised.",
                rungs_compared(ladder),
            )
        ),
    )


def _rung(ladder: LadderResult, rung: RungFigures) -> list[str | page.Cell]:
    whole = rung is ladder.full
    return [
        rung.name,
        page.number(rung.card_precision),
        page.Cell("" if whole else f"{ladder.lost(rung):.3f}", "n"),
        page.number(rung.average_precision),
        page.Cell(f"{rung.recall_at_budget:.0%}", "n"),
        page.number(rung.alerts_per_day, 0),
        page.Cell(f"{rung.frauds_stopped:.0%}", "n"),
        rung.meaning,
    ]
