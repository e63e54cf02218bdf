"""The sections of the report on fairness, importance, error slices and single days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from markupsafe import Markup

from cardfraud.contracts.policy import Policy
from cardfraud.evaluation.fairness import EXPECTED_ALERTS, Fairness
from cardfraud.evaluation.importance import Importance
from cardfraud.evaluation.intervals import Interval
from cardfraud.evaluation.slices import Slice, WorstSlices
from cardfraud.reporting.page import (
    Cell,
    count,
    note,
    pictures,
    section,
    sides,
    stack,
    subsection,
    table,
)
from cardfraud.steps.evaluate.insight_charts import (
    MOST_BARS,
    expected_loss_chart,
    fairness_chart,
    importance_chart,
)
from cardfraud.steps.evaluate.metrics import Metrics
from cardfraud.steps.evaluate.tables import number, share, slice_name

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def fairness_section(metrics: Metrics, policy: Policy) -> Markup:
    """Segments beside each other, and by what rule they are compared."""
    found, limit = metrics.verdict.fairness, policy.gate.max_segment_gap
    if found is None:
        return section("Segments", note("The data names no segments. Fairness: not assessed."))
    return section(
        "Segments",
        sides(
            pictures([fairness_chart(found, limit)]),
            stack(note(fairness_rule(found, policy)), note(_fairness_figures(found))),
        ),
        _segment_table(metrics, found),
    )


def fairness_rule(found: Fairness, policy: Policy) -> str:
    """Say in words how segments are compared."""
    gate = policy.gate
    return (
        "Metric: the false positive rate difference, the largest minus the smallest share of good "
        "transactions that are reviewed or declined, by rules too. It fails above "
        f"{gate.max_segment_gap:g} unless chance explains it: segments are dealt out anew among "
        f"the cards {gate.bootstrap_samples:,} times, and p says how often any segment then lies "
        f"as far off. A segment is compared from {found.min_legitimate:,} legitimate rows on, "
        f"where a rate at the limit gives {EXPECTED_ALERTS} false alerts, or when its own rate is "
        "beyond chance; all others are compared together as one. What is declined is judged alone, "
        "too, in the same way."
    )


def importance_section(found: Importance | None) -> Markup:
    """What the candidate rests on."""
    if found is None:
        return section("Features", note("Their importance was not measured."))
    groups = [each for each in found.groups[:MOST_BARS] if len(each.features) > 1]
    return section(
        "Features",
        sides(
            pictures([importance_chart(found)]),
            stack(
                note(
                    f"Measured through the graph on {found.rows:,} held-out rows "
                    f"({found.frauds:,} frauds), weighted to stand for all. Features that rise and "
                    "fall together are permuted together, because each alone could be read off "
                    "the others."
                ),
                table(
                    ["permuted together"],
                    [[", ".join(each.features)] for each in groups] or [["no two features"]],
                ),
            ),
        ),
    )


def slices_section(found: WorstSlices) -> Markup:
    """Where the candidate errs most."""
    whole = found.overall
    return section(
        "Where it errs most",
        note(
            f"Of all {found.searched:,} slices by one or two dimensions with at least "
            f"{found.min_frauds} frauds or {found.min_legitimate} legitimate rows. Intervals "
            "are exact for independent rows and allow for the search; rows of one card depend on "
            "each other, so they are too narrow, and a slice beyond chance is one to look into, no "
            "proof. It is called so when its interval leaves out the whole's rate: "
            f"recall {share(whole.recall)}, false positive rate "
            f"{share(whole.false_positive_rate, 2)}, cost {whole.cost_per_thousand:,.2f} per 1,000."
        ),
        subsection("Frauds missed", _slice_table(found.misses)),
        subsection("False alerts", _slice_table(found.false_alerts)),
    )


def days_section(metrics: Metrics) -> Markup:
    """Expected loss and alert queue of each day."""
    candidate, champion = metrics.candidate, metrics.champion
    queue = candidate.alert_queue
    header = ("cards", "compromised", f"precision at {queue.k}", "NDCG", "first hit at")
    rows: list[list[str | Cell]] = [
        [
            f"{_EPOCH + timedelta(days=day.day):%d %b}",
            count(day.cards),
            count(day.compromised),
            Cell(number(day.precision_at_k, 3), "n"),
            Cell(number(day.ndcg, 3), "n"),
            Cell(number(day.first_hit, 0), "n"),
        ]
        for day in queue.days
    ]
    return section(
        "Day by day",
        sides(
            pictures(
                [
                    expected_loss_chart(
                        candidate.expected_loss, champion.expected_loss if champion else None
                    )
                ]
            ),
            stack(
                table(["alert queue", *(Cell(name, "n") for name in header)], rows),
                note(
                    "A day's cards, ranked by their highest score. Unlike card precision, a card "
                    "that was caught stays in the queue of the next day."
                ),
            ),
        ),
    )


def _fairness_figures(found: Fairness) -> str:
    gap = "n/a" if found.difference is None else _interval(found.difference, 4)
    names = ", ".join(found.not_compared) or "none"
    return (
        f"Difference {gap}, smallest p {found.p_value:.3f}. Ratio of the smallest to the largest "
        f"rate {number(found.ratio, 2)}; recalls differ by {number(found.recall_difference, 3)}. "
        f"Not compared: {names}."
    )


def _segment_table(metrics: Metrics, found: Fairness) -> Markup:
    rates = {each.segment: each for each in found.segments}
    header = ("transactions", "frauds", "false positive rate", "p", "recall", "average precision")
    rows: list[list[str | Cell]] = []
    for each in metrics.candidate.segments:
        rate = rates.get(each.segment)
        measured = rate.false_positive_rate if rate else None
        rows.append(
            [
                each.segment,
                count(each.rows),
                count(each.positives),
                Cell("n/a" if measured is None else _interval(measured, 4), "n"),
                Cell(number(rate.p_value if rate else None, 3), "n"),
                Cell(number(each.recall, 3), "n"),
                Cell(number(each.average_precision, 3), "n"),
                "yes" if rate and rate.compared else "no",
            ]
        )
    return table(["segment", *(Cell(name, "n") for name in header), "compared"], rows)


def _slice_table(slices: tuple[Slice, ...]) -> Markup:
    if not slices:
        return note("No slice is worse than the whole.")
    header = ("transactions", "frauds", "missed", "recall", "false alerts", "false positive rate")
    return table(
        [
            "slice",
            *(Cell(name, "n") for name in header),
            Cell("cost per 1,000", "n"),
            "beyond chance",
        ],
        [
            [
                slice_name(each),
                count(each.rows),
                count(each.frauds),
                count(each.missed),
                Cell(share(each.recall), "n"),
                count(each.false_alerts),
                Cell(share(each.false_positive_rate, 2), "n"),
                Cell(number(each.cost_per_thousand, 2), "n"),
                Cell("yes", "bad") if each.beyond_chance else "no",
            ]
            for each in slices
        ],
    )


def _interval(found: Interval, digits: int) -> str:
    return f"{found.estimate:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"
