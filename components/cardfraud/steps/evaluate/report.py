"""The HTML report of an evaluation, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cardfraud.contracts.bundle import MODEL_FILE
from cardfraud.contracts.candidate import Candidate, Period
from cardfraud.contracts.policy import Policy
from cardfraud.evaluation.segments import SegmentMetrics
from cardfraud.reporting.page import (
    Answer,
    Cell,
    answers,
    box,
    count,
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
from cardfraud.steps.evaluate.figures import Figures
from cardfraud.steps.evaluate.metrics import Metrics

_ABSENT: Final = "n/a"


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
    measured, verdict = metrics.candidate.classification, metrics.verdict
    beside = (
        "Beside it the champion on the same rows."
        if metrics.champion
        else "There is no champion to compare with."
    )
    return page(
        f"Evaluation of {candidate.model}: {_words(candidate.algorithm)}",
        f"Held-out time {_span(candidate.test)}: "
        f"{measured.rows:,} transactions, {measured.positives:,} frauds. {beside}",
        _answers(metrics),
        box(
            "Passed: it may be published." if verdict.passed else "Not passed: not published.",
            passed=verdict.passed,
            checks=[(check.passed, check.sentence) for check in verdict.checks],
        ),
        section("Pictures", pictures(charts(policy, labels, drawn))),
        section(
            "Figures",
            note("Every scorer is judged under the policy that stands beside the figures."),
            sides(
                _figure_table(metrics),
                stack(_policy(policy), _origin(candidate, metrics)),
            ),
        ),
        section("Segments", _segments(metrics.candidate.segments)),
    )


def figure_table(metrics: Metrics) -> list[tuple[str, str, str]]:
    """Return rows of (what, candidate, champion) as text; what belongs to a row is indented."""
    one = _figures(metrics.candidate)
    other = _figures(metrics.champion) if metrics.champion else {}
    return [(name, value, other.get(name, _ABSENT)) for name, value in one.items()]


def number(value: float | None, digits: int = 4) -> str:
    """Return a figure as text, n/a where it could not be measured."""
    return _ABSENT if value is None else f"{value:,.{digits}f}"


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


def _figure_table(metrics: Metrics) -> Markup:
    rows: list[list[str | Cell]] = []
    for name, one, other in figure_table(metrics):
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
            f"percentile of {metrics.latency.samples:,} rows"
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


def _segments(segments: Sequence[SegmentMetrics]) -> Markup:
    if not segments:
        return note("The data names no segments. Fairness: not assessed.")
    header = ("transactions", "frauds", "false positive rate", "recall", "average precision")
    return table(
        ["segment", *(Cell(name, "n") for name in header)],
        [
            [
                s.segment,
                count(s.rows),
                count(s.positives),
                Cell(number(s.false_positive_rate), "n"),
                Cell(number(s.recall, 3), "n"),
                Cell(number(s.average_precision, 3), "n"),
            ]
            for s in segments
        ],
    )


def _figures(figures: Figures) -> dict[str, str]:
    c, card, cost = figures.classification, figures.card_precision, figures.cost
    interval = figures.average_precision_interval
    share = card.share_of_ceiling
    return {
        "Average precision": number(c.average_precision),
        f"  {interval.level:.0%} interval": f"{interval.low:.4f} to {interval.high:.4f}",
        "AUC ROC": number(c.auc_roc),
        f"Card precision at {card.k}": number(card.mean),
        "  ceiling": number(card.ceiling),
        "  share of the ceiling": _ABSENT if share is None else f"{share:.1%}",
        f"Precision at {c.k}": number(c.precision_at_k),
        "At the review threshold: precision": number(c.precision),
        "  recall": number(c.recall),
        "  F1": number(c.f1),
        "  accuracy": number(c.accuracy),
        "Brier score": number(c.brier, 5),
        "Expected calibration error": number(c.expected_calibration_error, 5),
        "Cost of the policy's decisions, major units": number(cost.total, 0),
        "  missed frauds": number(cost.missed_fraud, 0),
        "  reviews": number(cost.reviews, 0),
        "  false declines": number(cost.false_declines, 0),
        "  letting all pass would cost": number(cost.flag_nothing, 0),
    }


def _span(period: Period) -> str:
    return f"{period.start} to {period.end - timedelta(days=1)}"


def _words(name: str) -> str:
    return name.replace("_", " ")
