"""Figures as text: what the report and the card show of a scorer beside its champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cardfraud.evaluation.comparison import Comparison, Estimates
from cardfraud.evaluation.intervals import Interval, Share
from cardfraud.evaluation.slices import Slice
from cardfraud.steps.evaluate.figures import Figures
from cardfraud.steps.evaluate.metrics import Metrics

ABSENT: Final = "n/a"

_COMPARED: Final = {
    "average_precision": ("Average precision", 4),
    "auc_roc": ("AUC ROC", 4),
    "card_precision": ("Card precision", 4),
    "card_precision_share": ("its share of the ceiling", 3),
    "recall": ("Recall at review", 3),
    "precision": ("Precision at review", 3),
    "false_positive_rate": ("False positive rate at review", 5),
    "loss_prevented": ("Share of the loss prevented", 3),
    "cost_per_thousand": ("Cost per 1,000 transactions", 2),
}


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure as text; an interval stands in brackets, an absent champion is n/a."""

    name: str
    candidate: str
    champion: str
    difference: str


def compared_figures(metrics: Metrics) -> list[FigureRow]:
    """Return the figures that have an interval."""
    comparison: Comparison = metrics.verdict.comparison
    k = metrics.candidate.card_precision.k

    def cell(estimates: Estimates | None, field: str, digits: int, sign: str = "") -> str:
        found: Interval | None = getattr(estimates, field, None)
        if found is None:
            return ABSENT
        estimate, low, high = (
            f"{value:{sign},.{digits}f}" for value in (found.estimate, found.low, found.high)
        )
        return f"{estimate} ({low} to {high})"

    return [
        FigureRow(
            f"{name} at {k}" if field == "card_precision" else name,
            cell(comparison.candidate, field, digits),
            cell(comparison.champion, field, digits),
            cell(comparison.difference, field, digits, "+"),
        )
        for field, (name, digits) in _COMPARED.items()
    ]


def single_figures(metrics: Metrics) -> list[tuple[str, str, str]]:
    """Return the others as (what, candidate, champion); what belongs to a row is indented."""
    one = _figures(metrics.candidate)
    other = _figures(metrics.champion) if metrics.champion else {}
    return [(name, value, other.get(name, ABSENT)) for name, value in one.items()]


def number(value: float | None, digits: int = 4) -> str:
    """Return a figure as text, n/a where it could not be measured."""
    return ABSENT if value is None else f"{value:,.{digits}f}"


def share(found: Share | None, digits: int = 1) -> str:
    """Return a share with its interval as text."""
    if found is None:
        return ABSENT
    estimate, low, high = (
        f"{value:.{digits}%}" for value in (found.estimate, found.low, found.high)
    )
    return f"{estimate} ({low} to {high})"


def slice_name(found: Slice) -> str:
    """Name a slice by its conditions."""
    return ", ".join(f"{dimension}: {value}" for dimension, value in found.where.items())


def _figures(figures: Figures) -> dict[str, str]:
    c, card, cost = figures.classification, figures.card_precision, figures.cost
    loss, queue = figures.expected_loss.errors, figures.alert_queue.overall
    k = figures.alert_queue.k
    return {
        "Ceiling of the card precision": number(card.ceiling),
        f"Precision at {c.k} transactions": number(c.precision_at_k),
        "F1 at review": number(c.f1),
        "Accuracy at review": number(c.accuracy),
        "Brier score": number(c.brier, 5),
        "Expected calibration error": number(c.expected_calibration_error, 5),
        "Cost of the decisions, major units": number(cost.total, 0),
        "  missed frauds": number(cost.missed_fraud, 0),
        "  reviews": number(cost.reviews, 0),
        "  false declines": number(cost.false_declines, 0),
        "  letting all pass would cost": number(cost.flag_nothing, 0),
        "Expected loss of a day: mean absolute error": number(loss.mae, 0),
        "  root mean squared error": number(loss.rmse, 0),
        "  R2": number(loss.r2, 3),
        "  mean absolute percentage error": ABSENT if loss.mape is None else f"{loss.mape:.1%}",
        f"Alert queue of a day: NDCG at {k}": number(queue.ndcg),
        f"  precision at {k}": number(queue.precision_at_k),
        "  mean average precision": number(queue.mean_average_precision),
        "  mean reciprocal rank": number(queue.mean_reciprocal_rank),
    }
