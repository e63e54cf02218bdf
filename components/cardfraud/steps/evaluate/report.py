"""The HTML report of an evaluation, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.candidate import Candidate
from cardfraud.contracts.policy import Policy
from cardfraud.steps.evaluate.charts import Drawn, charts
from cardfraud.steps.evaluate.figures import Figures
from cardfraud.steps.evaluate.metrics import Metrics

_TEMPLATE: Final = "report.html.j2"
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
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures = [
        {"title": chart.title, "caption": chart.caption, "svg": Markup(chart.svg)}  # noqa: S704 (drawn here)
        for chart in charts(policy, labels, drawn)
    ]
    return environment.get_template(_TEMPLATE).render(
        candidate=candidate,
        metrics=metrics,
        policy=policy,
        table=figure_table(metrics),
        charts=pictures,
        number=number,
    )


def figure_table(metrics: Metrics) -> list[tuple[str, str, str]]:
    """Return rows of (what, candidate, champion) as text."""
    one = _figures(metrics.candidate)
    other = _figures(metrics.champion) if metrics.champion else {}
    return [(name, value, other.get(name, _ABSENT)) for name, value in one.items()]


def number(value: float | None, digits: int = 4) -> str:
    """Return a figure as text, n/a where it could not be measured."""
    return _ABSENT if value is None else f"{value:,.{digits}f}"


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
        "Cost of the policy's decisions": number(cost.total, 0),
        "  missed frauds": number(cost.missed_fraud, 0),
        "  reviews": number(cost.reviews, 0),
        "  false declines": number(cost.false_declines, 0),
        "  letting all pass would cost": number(cost.flag_nothing, 0),
    }
