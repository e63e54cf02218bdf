"""The model card: the facts of a candidate as Markdown, for a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cardfraud.contracts.policy import Policy, Thresholds
from cardfraud.steps.evaluate.insight_charts import group_name
from cardfraud.steps.evaluate.metrics import Metrics
from cardfraud.steps.evaluate.sections import fairness_rule
from cardfraud.steps.evaluate.tables import (
    compared_figures,
    share,
    single_figures,
    slice_name,
)

_SHOWN: Final = 5
_PURPOSE: Final = """\
Gives the probability that a card transaction is a fraud, from the features that `signature.json`
lists. A policy, versioned apart, turns the probability into a decision."""


def model_card(metrics: Metrics, policy: Policy, lineage: bytes) -> str:
    """Return the card.

    Args:
        metrics: what was measured, and the verdict.
        policy: thresholds that were applied.
        lineage: the candidate's ``lineage.json``.
    """
    origin = json.loads(lineage)
    gate = "passed" if metrics.verdict.passed else "not passed"
    looser = [f"**Looser limits: {each}.**" for each in metrics.verdict.looser_limits]
    sections = (
        ("Data", _data(origin["data"])),
        ("Figures on the test period", _figures(metrics, policy.thresholds)),
        (f"Gate: {gate}", _checks(metrics)),
        ("Segments", [_fairness(metrics, policy)]),
        ("What it rests on", _importance(metrics)),
        ("Where it errs most", _slices(metrics)),
        ("Origin", _origin(origin)),
    )
    lines = [f"# {metrics.model}: {metrics.algorithm}", "", _PURPOSE, ""]
    lines += [line for each in looser for line in (each, "")]
    for heading, body in sections:
        lines += [f"## {heading}", "", *body, ""]
    return "\n".join(lines)


def _data(data: Mapping[str, Any]) -> list[str]:
    periods = [
        (name, data["periods"][name], data["rows"][name])
        for name in ("train", "validation", "test")
    ]
    return [
        *_table(
            ("period", "from", "until", "rows", "frauds"),
            (
                (name, period["start"], period["end"], rows["rows"], rows["frauds"])
                for name, period, rows in periods
            ),
        ),
        "",
        f"Split: {data['split']}. Labels of training and validation as known at",
        f"{data['labels_as_of']}, of the test as known at {data['test_labels_as_of']}.",
    ]


def _figures(metrics: Metrics, thresholds: Thresholds) -> list[str]:
    return [
        *_table(
            ("", "candidate", "champion", "difference"),
            (
                (row.name, row.candidate, row.champion, row.difference)
                for row in compared_figures(metrics)
            ),
        ),
        "",
        *_table(
            ("", "candidate", "champion"),
            ((name.strip(), one, other) for name, one, other in single_figures(metrics)),
        ),
        "",
        f"Review from {thresholds.review:.6g}, decline from {thresholds.decline:.6g}.",
    ]


def _checks(metrics: Metrics) -> list[str]:
    return [
        f"- {'passed' if check.passed else 'FAILED'}: {check.sentence}"
        for check in metrics.verdict.checks
    ]


def _fairness(metrics: Metrics, policy: Policy) -> str:
    found = metrics.verdict.fairness
    if found is None:
        return "The data names no segments. Fairness: not assessed."
    (check,) = [each for each in metrics.verdict.checks if each.name == "fairness"]
    return f"{fairness_rule(found, policy)}\n\n{check.sentence}"


def _importance(metrics: Metrics) -> list[str]:
    if metrics.importance is None:
        return ["Not measured."]
    return [
        f"- {group_name(each)}: permuted, it costs {each.drop:.4f} of the average precision"
        for each in metrics.importance.groups[:_SHOWN]
    ]


def _slices(metrics: Metrics) -> list[str]:
    found = metrics.slices
    misses = [
        f"- {slice_name(each)}: recall {share(each.recall)}, {each.missed} of {each.frauds} missed"
        for each in found.misses[:_SHOWN]
    ]
    alerts = [
        f"- {slice_name(each)}: false positive rate {share(each.false_positive_rate, 2)}, "
        f"{each.false_alerts} of {each.rows - each.frauds} stopped for nothing"
        for each in found.false_alerts[:_SHOWN]
    ]
    return [*misses, *alerts] or ["No slice is worse than the whole."]


def _origin(origin: Mapping[str, Any]) -> list[str]:
    return [
        f"- code {origin['code_revision']}, lock {origin['lock_sha256']}",
        f"- Python {origin['environment']['python']} on {origin['environment']['platform']}",
        f"- parameters `{json.dumps(origin['parameters'], sort_keys=True)}`",
        f"- feature set {origin['feature_set_digest']}",
    ]


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> list[str]:
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    text = [f"| {' | '.join(line)} |" for line in lines]
    return [text[0], f"|{'---|' * len(lines[0])}", *text[1:]]
