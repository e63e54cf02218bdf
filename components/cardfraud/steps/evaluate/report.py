"""The HTML report of an evaluation, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cardfraud.contracts.bundle import MODEL_FILE
from cardfraud.contracts.candidate import Candidate, Period
from cardfraud.contracts.policy import Policy
from cardfraud.reporting.page import (
    Answer,
    Cell,
    answers,
    box,
    check_table,
    facts,
    note,
    page,
    pictures,
    section,
    sides,
    stack,
    subsection,
    table,
)
from cardfraud.steps.evaluate.charts import Drawn, charts
from cardfraud.steps.evaluate.latency import ROUNDS
from cardfraud.steps.evaluate.metrics import Metrics
from cardfraud.steps.evaluate.sections import (
    days_section,
    fairness_section,
    importance_section,
    slices_section,
)
from cardfraud.steps.evaluate.tables import compared_figures, number, single_figures


def render(
    candidate: Candidate,
    metrics: Metrics,
    policy: Policy,
    labels: NDArray[np.bool_],
    drawn: Sequence[Drawn],
) -> str:
    """Return the report; it loads nothing from anywhere.

    Args:
        candidate: what was judged.
        metrics: what was measured, and the verdict.
        policy: thresholds and limits that were applied.
        labels: ``[N]`` of the held-out rows.
        drawn: the candidate, and the champion if there is one.
    """
    verdict = metrics.verdict
    return page(
        f"Evaluation of {candidate.model}: {_words(candidate.algorithm)}",
        _judged_on(candidate, metrics),
        _answers(metrics),
        box(
            "Passed: it may be published." if verdict.passed else "Not passed: not published.",
            passed=verdict.passed,
        ),
        *(box(f"Looser limits: {each}.", passed=False) for each in verdict.looser_limits),
        section("The gate", check_table(verdict.checks)),
        section("Figures", _compared_table(metrics), _intervals(policy)),
        section("Pictures", pictures(charts(policy, labels, drawn))),
        fairness_section(metrics, policy),
        importance_section(metrics.importance),
        slices_section(metrics.slices),
        days_section(metrics),
        section(
            "More figures",
            sides(_single_table(metrics), stack(_policy(policy), _origin(candidate, metrics))),
        ),
    )


def _judged_on(candidate: Candidate, metrics: Metrics) -> str:
    measured = metrics.candidate.classification
    beside = (
        "Beside it the champion on the same rows."
        if metrics.champion
        else "There is no champion to compare with."
    )
    return (
        f"Held-out time {_span(candidate.test)}: "
        f"{measured.rows:,} transactions, {measured.positives:,} frauds. {beside}"
    )


def _answers(metrics: Metrics) -> Markup:
    c, cost = metrics.candidate.classification, metrics.candidate.cost
    caught = cost.flag_nothing - cost.missed_fraud
    share = caught / cost.flag_nothing if cost.flag_nothing else 0.0
    return answers(
        [
            Answer(
                "May it be published?",
                "yes" if metrics.verdict.passed else "no",
                f"{sum(check.passed for check in metrics.verdict.checks)} of "
                f"{len(metrics.verdict.checks)} checks passed",
                metrics.verdict.passed,
            ),
            Answer(
                "Average precision",
                number(c.average_precision, 3),
                f"champion {number(metrics.champion.classification.average_precision, 3)}"
                if metrics.champion
                else f"without skill {number(c.positives / c.rows, 3)}",
            ),
            Answer(
                "Frauds caught at the review threshold",
                f"{c.true_positives:,} of {c.positives:,}",
                f"false alerts: {c.false_positives:,} of {c.rows:,} transactions",
            ),
            Answer(
                "Loss prevented",
                f"{share:.0%}",
                f"{caught:,.0f} of {cost.flag_nothing:,.0f} in major units",
            ),
        ]
    )


def _compared_table(metrics: Metrics) -> Markup:
    heads = ["candidate", "champion", "difference"] if metrics.champion else ["candidate"]
    return table(
        ["on the held-out rows", *(Cell(head, "n") for head in heads)],
        [
            [row.name, *(Cell(getattr(row, head), "n") for head in heads)]
            for row in compared_figures(metrics)
        ],
    )


def _intervals(policy: Policy) -> Markup:
    return note(
        f"In brackets the {policy.gate.confidence:.0%} interval of "
        f"{policy.gate.bootstrap_samples:,} bootstrap draws of whole cards, the same draws "
        "for both. Each scorer decides by its own thresholds and active rules; one cost matrix "
        "prices both."
    )


def _single_table(metrics: Metrics) -> Markup:
    rows: list[list[str | Cell]] = []
    for name, one, other in single_figures(metrics):
        named = Cell(name.strip(), "sub" if name.startswith(" ") else "")
        beside = [Cell(other, "n")] if metrics.champion else []
        rows.append([named, Cell(one, "n"), *beside])
    heads = ["candidate", "champion"] if metrics.champion else ["candidate"]
    return table(["on the held-out rows", *(Cell(head, "n") for head in heads)], rows)


def _policy(policy: Policy) -> Markup:
    costs = policy.costs
    return subsection(
        "Policy",
        facts(
            [
                ("Review from", f"a probability of {policy.thresholds.review:.4g}"),
                ("Decline from", f"a probability of {policy.thresholds.decline:.4g}"),
                ("Alert budget", f"{policy.alert_budget_per_day:,} cards a day"),
                ("A missed fraud costs", f"{costs.missed_fraud_share:.0%} of its amount"),
                ("A review costs", f"{costs.review:,.2f} major units"),
                ("A false decline costs", f"{costs.false_decline:,.2f} major units on top"),
            ]
        ),
    )


def _origin(candidate: Candidate, metrics: Metrics) -> Markup:
    latency = "not measured"
    if metrics.latency:
        latency = (
            f"{metrics.latency.p50_ms:.3f} ms median, {metrics.latency.p99_ms:.3f} ms at the 99th "
            f"percentile of {metrics.latency.samples:,} rows, each at its quickest of {ROUNDS}"
        )
    return subsection(
        "Where it comes from",
        facts(
            [
                ("Training", _span(candidate.train)),
                ("Validation", _span(candidate.validation)),
                ("Test", _span(candidate.test)),
                ("Split", _words(candidate.split)),
                ("Scoring one row", latency),
                ("Run", candidate.run_id),
                ("Model", candidate.files[MODEL_FILE]),
                ("Champion", metrics.champion_digest or "none"),
            ]
        ),
    )


def _span(period: Period) -> str:
    return f"{period.start} to {period.end - timedelta(days=1)}"


def _words(name: str) -> str:
    return name.replace("_", " ")
