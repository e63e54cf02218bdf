"""The pictures of the report: the candidate, and the champion on the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Policy
from cardfraud.reporting.figures import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    PALE,
    RED,
    legend,
    name_days,
    picture,
    thousands,
    thresholds,
)
from cardfraud.reporting.page import Chart
from cardfraud.steps.evaluate.figures import Curves, Figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = {"candidate": BLUE, "champion": ORANGE}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A scorer with all that is drawn of it."""

    name: str
    scores: NDArray[np.float32]
    curves: Curves
    figures: Figures


def charts(policy: Policy, labels: NDArray[np.bool_], drawn: Sequence[Drawn]) -> list[Chart]:
    """Draw every picture of the report.

    Args:
        policy: its thresholds are marked.
        labels: ``[N]`` of the held-out rows.
        drawn: the candidate, and the champion if there is one.
    """
    k = drawn[0].figures.card_precision.k
    return [
        Chart(
            "Precision and recall",
            "Over all thresholds; the dot is the policy's review threshold.",
            _precision_recall(drawn),
        ),
        Chart(
            "ROC curve",
            "True against false positive rate; the dot is the policy's review threshold.",
            _roc(drawn),
        ),
        Chart(
            f"Card precision at {k}, by day",
            f"Compromised cards among the {k} most suspicious; the dashes are what a perfect "
            "scorer would reach.",
            _card_precision(drawn),
        ),
        Chart(
            "Cost",
            "Missed frauds and reviews together, by how many of the highest scores are reviewed.",
            _cost(drawn),
        ),
        Chart(
            "Calibration",
            "Observed share of frauds against the predicted probability; a larger dot, more rows.",
            _calibration(drawn),
        ),
        Chart(
            "Scores of the candidate",
            "Transactions by score, on a logarithmic scale.",
            _histogram(drawn[0], labels, policy),
        ),
    ]


def _precision_recall(drawn: Sequence[Drawn]) -> str:
    with picture() as drawing:
        axes = drawing.axes
        for one in drawn:
            curve, value = one.curves.precision_recall, one.figures.classification.average_precision
            # The first point stands for every smaller recall: no fewer rows can be flagged.
            x, y = [0.0, *curve.x], [curve.y[0], *curve.y]
            axes.plot(x, y, color=COLOURS[one.name], label=_named(one, "average", value))
        base = drawn[0].figures.classification
        _mark(axes, base.recall, base.precision)
        share = base.positives / base.rows
        axes.axhline(share, color=MUTED, linestyle=":", label=f"no skill, {share:.3f}")
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0, 1.03)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        legend(axes)
    return drawing.svg


def _roc(drawn: Sequence[Drawn]) -> str:
    with picture() as drawing:
        axes = drawing.axes
        for one in drawn:
            curve, auc = one.curves.roc, one.figures.classification.auc_roc
            x, y = [0.0, *curve.x], [0.0, *curve.y]
            axes.plot(x, y, color=COLOURS[one.name], label=_named(one, "area", auc))
        base = drawn[0].figures.classification
        _mark(axes, base.false_positives / max(base.rows - base.positives, 1), base.recall)
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="no skill")
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(0, 1.03)
        axes.set_xlabel("false positive rate")
        axes.set_ylabel("true positive rate")
        legend(axes)
    return drawing.svg


def _mark(axes: Axes, x: float, y: float) -> None:
    axes.plot(
        [x],
        [y],
        "o",
        color=BLUE,
        markeredgecolor=INK,
        markersize=7,
        label="review threshold",
        clip_on=False,
    )


def _named(one: Drawn, what: str, value: float | None) -> str:
    return one.name if value is None else f"{one.name}, {what} {value:.3f}"


def _card_precision(drawn: Sequence[Drawn]) -> str:
    days = drawn[0].figures.card_precision.days
    with picture() as drawing:
        axes = drawing.axes
        width = 0.8 / len(drawn)
        for i, one in enumerate(drawn):
            place = np.arange(len(days)) - 0.4 + width * (i + 0.5)
            daily, mean = one.figures.card_precision.daily, one.figures.card_precision.mean
            name = _named(one, "mean", mean)
            axes.bar(place, daily, width * 0.92, color=COLOURS[one.name], label=name)
        axes.hlines(
            drawn[0].figures.card_precision.daily_ceiling,
            np.arange(len(days)) - 0.45,
            np.arange(len(days)) + 0.45,
            color=INK,
            linestyle="--",
            label=f"ceiling, mean {drawn[0].figures.card_precision.ceiling:.3f}",
        )
        name_days(axes, days)
        axes.set_ylabel("share of the cards looked at")
        axes.set_ylim(bottom=0)
        axes.grid(visible=False, axis="x")
        legend(axes)
    return drawing.svg


def _cost(drawn: Sequence[Drawn]) -> str:
    nothing = drawn[0].figures.cost.flag_nothing
    with picture() as drawing:
        axes = drawing.axes
        for one in drawn:
            points = one.curves.cost
            flagged, cost = [p.flagged for p in points], [p.cost for p in points]
            axes.plot(flagged, cost, color=COLOURS[one.name], label=one.name)
        axes.axhline(nothing, color=MUTED, linestyle=":", label="all pass")
        base = drawn[0].figures.classification
        alerts = base.true_positives + base.false_positives
        axes.axvline(
            max(alerts, 1), color=INK, linestyle="--", linewidth=1, label="review threshold"
        )
        axes.set_xscale("log")
        # Reviewing everything costs many times more than the frauds; the choice is far below.
        axes.set_ylim(0, 1.6 * nothing if nothing else None)
        axes.set_xlabel("reviewed transactions")
        axes.set_ylabel("cost, major units")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        thousands(axes)
        legend(axes)
    return drawing.svg


def _calibration(drawn: Sequence[Drawn]) -> str:
    with picture() as drawing:
        axes = drawing.axes
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="perfect")
        for one in drawn:
            bins = one.curves.calibration
            x, y = [b.mean_probability for b in bins], [b.observed_share for b in bins]
            size = [12 + 8 * float(np.log10(b.count)) ** 1.5 for b in bins]
            axes.plot(x, y, color=COLOURS[one.name], linewidth=1, label=one.name)
            axes.scatter(x, y, size, color=COLOURS[one.name])
        axes.set_xlabel("predicted probability")
        axes.set_ylabel("observed share of frauds")
        legend(axes, columns=3)
    return drawing.svg


def _histogram(one: Drawn, labels: NDArray[np.bool_], policy: Policy) -> str:
    with picture() as drawing:
        axes = drawing.axes
        edges = np.linspace(0, 1, 41).tolist()
        axes.hist(one.scores[~labels], edges, color=PALE, label="legitimate")
        axes.hist(one.scores[labels], edges, color=RED, alpha=0.75, label="fraud")
        thresholds(axes, review=policy.thresholds.review, decline=policy.thresholds.decline)
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
        axes.set_xlim(0, 1)
        axes.set_xlabel("score")
        axes.set_ylabel("transactions")
        legend(axes)
    return drawing.svg
