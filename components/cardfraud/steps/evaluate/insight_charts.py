"""The pictures of what a model rests on, whom it stops and what it expects to lose."""

from __future__ import annotations

from typing import Final

import numpy as np

from cardfraud.evaluation.expected_loss import ExpectedLoss
from cardfraud.evaluation.fairness import Fairness
from cardfraud.evaluation.importance import GroupImportance, Importance
from cardfraud.reporting.figures import (
    BLUE,
    INK,
    ORANGE,
    PALE,
    legend,
    name_days,
    picture,
    thousands,
)
from cardfraud.reporting.page import Chart

MOST_BARS: Final = 12


def group_name(group: GroupImportance) -> str:
    """Name a group of features by its first one and the number of the others."""
    first, others = group.features[0], len(group.features) - 1
    return f"{first} and {others} like it" if others else first


def importance_chart(importance: Importance) -> Chart:
    """Bars of the most important groups, with the range of the repetitions."""
    used = [each for each in importance.groups if each.high > 0] or importance.groups[:1]
    shown = used[:MOST_BARS][::-1]
    with picture(height=0.9 + 0.24 * len(shown)) as drawing:
        axes = drawing.axes
        drop = np.array([each.drop for each in shown])
        low, high = (np.array([getattr(each, end) for each in shown]) for end in ("low", "high"))
        axes.barh(
            [group_name(each) for each in shown],
            drop,
            xerr=np.stack([drop - low, high - drop]),
            color=BLUE,
            ecolor=INK,
            height=0.7,
        )
        axes.set_xlabel("average precision lost")
        axes.grid(visible=False, axis="y")
    return Chart(
        "What the candidate rests on",
        "Average precision lost when a group of features is permuted; the line is the range of "
        f"{importance.repeats} permutations.",
        drawing.svg,
    )


def fairness_chart(fairness: Fairness, limit: float) -> Chart:
    """False positive rate of each segment, with its interval and the band that is allowed."""
    measured = [
        (each, each.false_positive_rate)
        for each in fairness.segments[::-1]
        if each.false_positive_rate is not None
    ]
    with picture(height=1.1 + 0.26 * len(measured)) as drawing:
        axes = drawing.axes
        for place, (each, rate) in enumerate(measured):
            colour = BLUE if each.compared else PALE
            axes.plot([rate.low, rate.high], [place, place], color=colour, linewidth=2)
            axes.plot([rate.estimate], [place], "o", color=colour, markersize=6)
        compared = [rate.estimate for each, rate in measured if each.compared]
        if compared:
            least, named = min(compared), f"at most {limit:g} above the lowest"
            axes.axvspan(least, least + limit, color=PALE, alpha=0.35, linewidth=0, label=named)
            legend(axes)
        axes.set_yticks(range(len(measured)), [each.segment for each, _ in measured])
        axes.set_ylim(-0.6, len(measured) - 0.4)
        axes.set_xlim(left=0)
        axes.set_xlabel("false positive rate at the review threshold")
        axes.grid(visible=False, axis="y")
    return Chart(
        "Whom it stops for nothing",
        "Share of good transactions that are flagged, by segment, with its interval; pale where "
        "there are too few rows to compare.",
        drawing.svg,
    )


def expected_loss_chart(candidate: ExpectedLoss, champion: ExpectedLoss | None) -> Chart:
    """Expected beside realised fraud of each day."""
    place = np.arange(len(candidate.days))
    with picture() as drawing:
        axes = drawing.axes
        axes.bar(place, candidate.realised, 0.75, color=PALE, label="realised")
        axes.plot(place, candidate.expected, "o-", color=BLUE, label="expected, candidate")
        if champion is not None:
            axes.plot(place, champion.expected, "o-", color=ORANGE, label="expected, champion")
        name_days(axes, candidate.days)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("fraud, major units")
        axes.grid(visible=False, axis="x")
        thousands(axes)
        legend(axes, columns=3)
    return Chart(
        "Expected and realised loss, by day",
        "Sum of probability times amount against the amount of the frauds, before any decision.",
        drawing.svg,
    )
