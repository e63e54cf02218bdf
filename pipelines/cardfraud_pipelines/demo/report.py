"""The demo's report: one page that shows what happened."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from markupsafe import Markup

from cardfraud.contracts.policy import Decision
from cardfraud.reporting import page
from cardfraud.reporting.page import Chart
from cardfraud_pipelines.demo import pictures
from cardfraud_pipelines.demo.outcome import DemoOutcome, ModelRow
from cardfraud_pipelines.demo.parity import TOLERANCE, Parity
from cardfraud_pipelines.demo.plan import Span
from cardfraud_pipelines.demo.sections import (
    examples_section,
    ladder_section,
    verdict_box,
    verdicts,
)


def write_report(outcome: DemoOutcome, folder: Path) -> Path:
    """Write ``report.html`` into ``folder`` and return its path."""
    path = folder / "report.html"
    path.write_text(report_html(outcome, folder), encoding="utf-8")
    return path


def report_html(outcome: DemoOutcome, folder: Path) -> str:
    """The page as a string; links are relative to ``folder``."""
    source = f"{outcome.data.source[:1].upper()}{outcome.data.source[1:]}"
    return page.page(
        "cardfraud demo",
        f"{source}, learned from {outcome.plan.train}, then replayed as live traffic of "
        f"{_days(outcome.plan.replay)}. Amounts are in major units of the data's one currency.",
        _answers(outcome),
        _parity(outcome),
        _serving(outcome),
        examples_section(outcome.examples),
        _models(outcome, folder),
        verdicts(outcome.models),
        ladder_section(outcome.ladder),
        _data(outcome, folder),
        _stages(outcome),
    )


def _answers(outcome: DemoOutcome) -> Markup:
    replayed, parity = outcome.replayed, outcome.parity
    frauds, amount = int(replayed.fraud.sum()), float(replayed.amount[replayed.fraud].sum())
    caught = replayed.fraud & replayed.stopped
    money = float(replayed.amount[caught].sum())
    return page.answers(
        [
            page.Answer(
                "Does served equal offline?",
                "yes" if parity.holds else "no",
                _agreement(parity),
                parity.holds,
            ),
            page.Answer("Which model is served, and why?", *_winner(outcome.models)),
            page.Answer(
                "Frauds caught in the replay",
                f"{int(caught.sum()):,} of {frauds:,}",
                f"reviewed or declined; false alerts: {_false_alerts(outcome):,} of "
                f"{len(replayed.fraud):,} transactions",
            ),
            page.Answer(
                "Money caught in the replay",
                _share(money, amount),
                f"{money:,.0f} of {amount:,.0f} in frauds",
            ),
        ]
    )


def _agreement(parity: Parity) -> str:
    if parity.holds:
        return f"all {parity.rows:,} scores; largest difference {parity.largest:.2g}"
    return f"{parity.differing:,} of {parity.rows:,} scores differ, {parity.unserved:,} are missing"


def _winner(models: tuple[ModelRow, ...]) -> tuple[str, str]:
    chosen = next(model for model in models if model.chosen)
    others = ", ".join(
        f"{m.algorithm.replace('_', ' ')} {m.validation_average_precision:.3f}"
        for m in models
        if not m.chosen
    )
    return (
        chosen.algorithm.replace("_", " "),
        f"average precision {chosen.validation_average_precision:.3f} on validation"
        + (f"; {others}" if others else ""),
    )


def _false_alerts(outcome: DemoOutcome) -> int:
    return int((outcome.replayed.stopped & ~outcome.replayed.fraud).sum())


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "none to catch"


def _parity(outcome: DemoOutcome) -> Markup:
    parity, replayed = outcome.parity, outcome.replayed
    if parity.holds:
        sentence = (
            f"All {parity.rows:,} served scores equal the offline scores of the same model within "
            f"{TOLERANCE:g}; the largest difference is {parity.largest:.2g}."
        )
    else:
        sentence = (
            f"{parity.differing:,} of {parity.rows:,} served scores differ from the offline scores "
            f"by more than {TOLERANCE:g} and {parity.unserved:,} have none; the largest difference "
            f"is {parity.largest:.2g}, of transaction {parity.worst}."
        )
    return page.section(
        "Served equals offline" if parity.holds else "Served does not equal offline",
        page.box(sentence, passed=parity.holds),
        page.note(
            "Served: what the server answered to live requests, from the state in the online "
            "store. Offline: what the same model says about the same transactions with features "
            "computed in one pass over all data."
        ),
        page.pictures(
            [
                Chart(
                    "Served over offline",
                    "Each point is a transaction; equal scores lie on the line.",
                    pictures.served_against_offline(replayed),
                ),
                Chart(
                    "How far the two are apart",
                    "Exact agreement stands at the left edge; beyond the line it is a failure.",
                    pictures.differences(replayed),
                ),
            ]
        ),
    )


def _serving(outcome: DemoOutcome) -> Markup:
    replayed = outcome.replayed
    decisions = np.array(replayed.decision, dtype=np.str_)
    rows: list[list[str | page.Cell]] = []
    for decision in Decision:
        taken = decisions == decision.value
        fraud = taken & replayed.fraud
        rows.append(
            [
                decision.value,
                page.count(int(taken.sum())),
                page.count(int(fraud.sum())),
                page.number(float(replayed.amount[taken].sum()), 2),
                page.number(float(replayed.amount[fraud].sum()), 2),
            ]
        )
    headers = ("transactions", "frauds among them, as known later", "amount", "amount of frauds")
    return page.section(
        "The replay",
        page.table(["decision", *(page.Cell(text, "n") for text in headers)], rows),
        page.pictures(
            [
                Chart(
                    "What became of the frauds",
                    "Number and amount of the frauds, by decision.",
                    pictures.frauds_by_decision(replayed),
                ),
                Chart(
                    "Served scores",
                    "Transactions by score, on a logarithmic scale; colours are what became known "
                    "later.",
                    pictures.scores_by_truth(outcome),
                ),
            ]
        ),
        page.subsection("Requests", _requests(outcome)),
        page.facts([("Model", outcome.bundle), ("Policy", outcome.policy)]),
    )


def _requests(outcome: DemoOutcome) -> Markup:
    replayed = outcome.replayed
    cards = [
        (f"{len(replayed.served):,}", f"transactions in {replayed.seconds:.0f} s, state included"),
        (f"{len(replayed.batch_sizes):,}", "requests, in none of which a card repeats"),
    ]
    if len(replayed.latencies_ms):
        median, slow = np.percentile(replayed.latencies_ms, [50, 99])
        cards += [
            (f"{median:.0f} ms", "median request"),
            (f"{slow:.0f} ms", "99th percentile of requests"),
        ]
    chart = Chart(
        "Duration of a request",
        "Each point is a request, over its number of transactions.",
        pictures.request_latencies(replayed),
    )
    return page.sides(page.cards(cards), page.pictures([chart]))


def _models(outcome: DemoOutcome, folder: Path) -> Markup:
    return page.section(
        "Models and the gate",
        _models_table(outcome),
        page.note(
            "AP is average precision. The model is chosen on the validation week alone; the test "
            "week then judges it once, and the gate decides whether it may be served."
        ),
        page.sides(
            page.pictures(
                [
                    Chart(
                        "Average precision",
                        "A higher bar is better; 1 is a perfect ranking.",
                        pictures.models_compared(outcome.models),
                    )
                ]
            ),
            page.stack(*(verdict_box(model) for model in outcome.models)),
        ),
        _link("The evaluation report", outcome.evaluation_report, folder),
    )


def _models_table(outcome: DemoOutcome) -> Markup:
    headers = (
        "AP validation",
        "AP test",
        "AUC ROC test",
        "card precision@100 test",
        "its ceiling",
        "Brier score test",
        "ONNX difference",
    )
    rows: list[list[str | page.Cell]] = []
    for model in outcome.models:
        name = model.algorithm.replace("_", " ")
        rows.append(
            [
                page.Cell(f"{name} (served)", "good") if model.chosen else name,
                page.number(model.validation_average_precision),
                page.number(model.test_average_precision),
                page.number(model.test_auc_roc),
                page.number(model.test_card_precision),
                page.number(model.test_card_precision_ceiling),
                page.number(model.test_brier, 5),
                page.Cell(f"{model.onnx_difference:.1e}", "n"),
            ]
        )
    return page.table(["model", *(page.Cell(text, "n") for text in headers)], rows)


def _data(outcome: DemoOutcome, folder: Path) -> Markup:
    data = outcome.data
    total, frauds = int(data.transactions.sum()), int(data.frauds.sum())
    return page.section(
        "Data",
        page.cards(
            [
                (f"{total:,}", f"transactions on {len(data.days):,} days before the replay"),
                (f"{frauds:,}", f"frauds, {frauds / max(total, 1):.2%} of the transactions"),
                (f"{data.kept:,}", "transactions kept by validation"),
                (f"{data.quarantined:,}", "transactions in quarantine"),
            ]
        ),
        page.wide_picture(
            Chart(
                "What each day was used for",
                "Between two spans lies the week in which the labels of the first become known.",
                pictures.timeline(outcome.plan),
            )
        ),
        page.wide_picture(
            Chart(
                "Transactions and frauds of each day",
                "Frauds as known now; the two have scales of their own.",
                pictures.transactions_by_day(data),
            )
        ),
        _link("The validation report", outcome.validation_report, folder),
    )


def _stages(outcome: DemoOutcome) -> Markup:
    total = sum(stage.seconds for stage in outcome.stages)
    return page.section(
        "What it took",
        page.wide_picture(
            Chart(
                "Seconds of each stage",
                f"{total:.0f} s in all; object store: {outcome.object_store}.",
                pictures.stage_durations(outcome),
            )
        ),
        page.table(
            ["stage", page.Cell("seconds", "n"), "what happened"],
            [[s.name, page.number(s.seconds, 1), s.note] for s in outcome.stages],
        ),
    )


def _days(span: Span) -> str:
    return str(span.start) if len(span.days) == 1 else str(span)


def _link(text: str, target: Path, folder: Path) -> Markup:
    return page.link(text, Path(os.path.relpath(target, folder)).as_posix())
