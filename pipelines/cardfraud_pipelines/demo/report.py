"""The demo's report: one page that shows what happened."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from markupsafe import Markup

from cardfraud.reporting import page
from cardfraud_pipelines.demo import pictures
from cardfraud_pipelines.demo.outcome import DemoOutcome
from cardfraud_pipelines.demo.parity import TOLERANCE


def write_report(outcome: DemoOutcome, folder: Path) -> Path:
    """Write ``report.html`` into ``folder`` and return its path."""
    path = folder / "report.html"
    path.write_text(report_html(outcome, folder), encoding="utf-8")
    return path


def report_html(outcome: DemoOutcome, folder: Path) -> str:
    """The page as a string; links are relative to ``folder``."""
    return page.page(
        "cardfraud demo",
        f"{outcome.data.source}; replayed {outcome.plan.replay}; "
        f"object store: {outcome.object_store}",
        _parity(outcome),
        _data(outcome, folder),
        _models(outcome, folder),
        _serving(outcome),
        _stages(outcome),
    )


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
            f"and {parity.unserved:,} have none; the largest difference is {parity.largest:.2g}."
        )
    return page.section(
        "Served equals offline",
        page.box(sentence, passed=parity.holds),
        page.pictures(
            [
                (
                    pictures.served_against_offline(replayed),
                    "Each point is a transaction of the replay.",
                ),
                (pictures.differences(replayed), "How far the two are apart."),
            ]
        ),
    )


def _data(outcome: DemoOutcome, folder: Path) -> Markup:
    data = outcome.data
    total, frauds = int(data.transactions.sum()), int(data.frauds.sum())
    return page.section(
        "Data",
        page.cards(
            [
                (f"{total:,}", "transactions"),
                (f"{frauds:,}", f"frauds, {frauds / max(total, 1):.2%}"),
                (f"{data.kept:,}", "rows kept by validation"),
                (f"{data.quarantined:,}", "rows in quarantine"),
            ]
        ),
        page.paragraph(""),
        page.pictures(
            [
                (pictures.transactions_by_day(data), "Transactions and frauds of each day."),
                (pictures.timeline(outcome.plan), "What each day was used for."),
            ]
        ),
        _link("The validation report", outcome.validation_report, folder),
    )


def _models(outcome: DemoOutcome, folder: Path) -> Markup:
    header: list[str | page.Cell] = ["model"]
    header += [
        page.Cell(text, "n")
        for text in (
            "AP validation",
            "AP test",
            "AUC ROC test",
            "card precision@100",
            "its ceiling",
            "Brier",
            "ONNX difference",
        )
    ]
    rows: list[list[str | page.Cell]] = []
    for model in outcome.models:
        name = f"{model.algorithm} (chosen)" if model.chosen else model.algorithm
        rows.append(
            [
                page.Cell(name, "good" if model.chosen else ""),
                page.number(model.validation_average_precision),
                page.number(model.test_average_precision),
                page.number(model.test_auc_roc),
                page.number(model.test_card_precision),
                page.number(model.test_card_precision_ceiling),
                page.number(model.test_brier, 5),
                page.Cell(f"{model.onnx_difference:.1e}", "n"),
            ]
        )
    checks: list[list[str | page.Cell]] = [
        [check.name, page.verdict(passed=check.passed), check.sentence]
        for check in outcome.verdict.checks
    ]
    passed = outcome.verdict.passed
    return page.section(
        "Models and the gate",
        page.table(header, rows),
        page.paragraph("The model is chosen on the validation span only; test judges it once."),
        page.pictures([(pictures.models_compared(outcome.models), "Average precision.")]),
        page.section(
            "The gate's verdict",
            page.box("The candidate passed." if passed else "The candidate failed.", passed=passed),
            page.table(["check", "verdict", "why"], checks),
        ),
        _link("The evaluation report", outcome.evaluation_report, folder),
    )


def _serving(outcome: DemoOutcome) -> Markup:
    replayed = outcome.replayed
    decisions = np.array(replayed.decision)
    rows: list[list[str | page.Cell]] = []
    for decision in ("approve", "review", "decline"):
        taken = decisions == decision
        fraud = taken & replayed.fraud
        rows.append(
            [
                decision,
                page.count(int(taken.sum())),
                page.count(int(fraud.sum())),
                page.number(float(replayed.amount[taken].sum()), 2),
                page.number(float(replayed.amount[fraud].sum()), 2),
            ]
        )
    latency = np.percentile(replayed.latencies_ms, [50, 99])
    return page.section(
        "The replay",
        page.cards(
            [
                (f"{len(replayed.served):,}", f"transactions in {replayed.seconds:.0f} s"),
                (f"{len(replayed.batch_sizes):,}", "requests, each a run without repeats"),
                (f"{latency[0]:.0f} ms", "median request"),
                (f"{latency[1]:.0f} ms", "99th percentile of requests"),
            ]
        ),
        page.paragraph(""),
        page.table(
            [
                "decision",
                page.Cell("transactions", "n"),
                page.Cell("of them fraud, as known later", "n"),
                page.Cell("amount", "n"),
                page.Cell("amount of frauds", "n"),
            ],
            rows,
        ),
        page.pictures(
            [
                (pictures.scores_by_truth(outcome), "Scores and thresholds."),
                (pictures.request_latencies(replayed), "Requests by size."),
            ]
        ),
        page.paragraph(f"Model {outcome.bundle}, policy {outcome.policy}."),
    )


def _stages(outcome: DemoOutcome) -> Markup:
    return page.section(
        "What it took",
        page.pictures([(pictures.stage_durations(outcome), "Seconds of each stage.")]),
        page.table(
            ["stage", page.Cell("seconds", "n"), "what happened"],
            [[s.name, page.number(s.seconds, 1), s.note] for s in outcome.stages],
        ),
    )


def _link(text: str, target: Path, folder: Path) -> Markup:
    return Markup('<p><a href="{}">{}</a></p>').format(os.path.relpath(target, folder), text)
