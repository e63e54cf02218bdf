"""The pictures of the demo's report."""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np

from cardfraud.contracts.policy import Decision
from cardfraud.reporting.figures import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PALE,
    RED,
    dates,
    legend,
    picture,
    thousands,
    thresholds,
)
from cardfraud_pipelines.demo.outcome import DataSeen, DemoOutcome, ModelRow, Replayed
from cardfraud_pipelines.demo.parity import TOLERANCE
from cardfraud_pipelines.demo.plan import Plan

_WIDE: Final = 10.6
_EXACT: Final = 1e-12
"""Where a difference of nothing stands on a logarithmic scale."""
_ROOM_FOR_A_NUMBER: Final = 0.12


def timeline(plan: Plan) -> str:
    """The spans of the demo along the calendar."""
    spans = [
        ("history", plan.history, PALE),
        ("train", plan.train, BLUE),
        ("validation", plan.validation, GREEN),
        ("test", plan.test, ORANGE),
        ("replay", plan.replay, RED),
    ]
    with picture(width=_WIDE, height=2.0) as drawing:
        axes = drawing.axes
        for row, (_, span, colour) in enumerate(spans):
            start, end = _ordinal(span.start), _ordinal(span.end)
            axes.barh(row, end - start, left=start, color=colour, height=0.62)
        axes.set_yticks(range(len(spans)), [name for name, _, _ in spans])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(visible=False, axis="y")
        axes.set_xlim(left=_ordinal(plan.history.start))
        axes.invert_yaxis()
        dates(axes)
    return drawing.svg


def transactions_by_day(data: DataSeen) -> str:
    """Transactions and known frauds of each day."""
    with picture(width=_WIDE, height=2.6) as drawing:
        axes = drawing.axes
        days = [_ordinal(day) for day in data.days]
        axes.fill_between(days, data.transactions, color=PALE)
        axes.set_ylabel("transactions a day")
        axes.set_ylim(bottom=0)
        axes.margins(x=0)
        thousands(axes)
        dates(axes)
        frauds = axes.twinx()
        frauds.plot(days, data.frauds, color=RED, linewidth=1.2)
        frauds.set_ylabel("frauds a day", color=RED)
        frauds.tick_params(axis="y", colors=RED)
        frauds.set_ylim(bottom=0)
        frauds.grid(visible=False)
    return drawing.svg


def models_compared(models: tuple[ModelRow, ...]) -> str:
    """Average precision of each model on validation and test."""
    with picture() as drawing:
        axes = drawing.axes
        positions = np.arange(len(models))
        for shift, name, colour, values in (
            (-0.19, "validation", GREEN, [m.validation_average_precision for m in models]),
            (0.19, "test", ORANGE, [m.test_average_precision for m in models]),
        ):
            bars = axes.bar(positions + shift, values, 0.36, color=colour, label=name)
            axes.bar_label(bars, fmt="%.3f", padding=2, color=INK)
        axes.set_xticks(positions, [m.algorithm.replace("_", "\n") for m in models])
        axes.set_ylabel("average precision")
        axes.set_ylim(0, 1)
        axes.grid(visible=False, axis="x")
        legend(axes)
    return drawing.svg


def served_against_offline(replayed: Replayed) -> str:
    """Every served score over its offline score."""
    with picture() as drawing:
        axes = drawing.axes
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8)
        shown = _sample(len(replayed.served))
        axes.scatter(
            replayed.offline[shown], replayed.served[shown], s=18, color=BLUE, alpha=0.5, lw=0
        )
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("offline probability")
        axes.set_ylabel("served probability")
    return drawing.svg


def differences(replayed: Replayed) -> str:
    """How far served and offline are apart, on a logarithmic scale."""
    with picture() as drawing:
        axes = drawing.axes
        gap = np.abs(replayed.served - replayed.offline)
        gap = np.clip(np.nan_to_num(gap, nan=1.0), _EXACT, 1.0)
        axes.hist(gap, bins=list(np.logspace(-12, 0, 49)), color=BLUE, label="transactions")
        axes.axvline(TOLERANCE, color=RED, linewidth=1.2, label=f"tolerance {TOLERANCE:g}")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
        axes.set_xlim(_EXACT / 2, 1)
        axes.set_xlabel("difference of the two probabilities")
        axes.set_ylabel("transactions")
        legend(axes)
    return drawing.svg


def frauds_by_decision(replayed: Replayed) -> str:
    """Shares of the frauds, by number and by amount, that each decision got."""
    decisions = np.array(replayed.decision, dtype=np.str_)
    colours = {Decision.DECLINE: BLUE, Decision.REVIEW: PALE, Decision.APPROVE: RED}
    measures = {
        "number": replayed.fraud.astype(np.float64),
        "amount": np.where(replayed.fraud, replayed.amount, 0.0),
    }
    with picture() as drawing:
        axes = drawing.axes
        for row, weight in enumerate(measures.values()):
            left, total = 0.0, max(float(weight.sum()), 1e-9)
            for decision, colour in colours.items():
                part = float(weight[decisions == decision.value].sum())
                share = part / total
                name = f"{decision.value}{' (missed)' if decision is Decision.APPROVE else ''}"
                axes.barh(row, share, left=left, color=colour, label="" if row else name)
                if share > _ROOM_FOR_A_NUMBER:
                    middle, ink = left + share / 2, INK if colour == PALE else "white"
                    axes.text(middle, row, f"{part:,.0f}", ha="center", va="center", color=ink)
                left += share
        axes.set_yticks(range(len(measures)), list(measures))
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.set_xlabel("share of the frauds")
        axes.grid(visible=False, axis="y")
        legend(axes, columns=3)
    return drawing.svg


def scores_by_truth(outcome: DemoOutcome) -> str:
    """Served scores of good and fraudulent transactions, with the thresholds."""
    replayed = outcome.replayed
    with picture() as drawing:
        axes = drawing.axes
        bins = list(np.linspace(0, 1, 41))
        answered = ~np.isnan(replayed.served)
        good, bad = answered & ~replayed.fraud, answered & replayed.fraud
        axes.hist(replayed.served[good], bins=bins, color=PALE, label="legitimate")
        axes.hist(replayed.served[bad], bins=bins, color=RED, alpha=0.75, label="fraud")
        thresholds(axes, review=outcome.review_threshold, decline=outcome.decline_threshold)
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
        axes.set_xlim(0, 1)
        axes.set_xlabel("served probability")
        axes.set_ylabel("transactions")
        legend(axes)
    return drawing.svg


def request_latencies(replayed: Replayed) -> str:
    """Duration of each request over the number of its transactions."""
    with picture() as drawing:
        axes = drawing.axes
        shown = _sample(len(replayed.batch_sizes))
        axes.scatter(
            replayed.batch_sizes[shown], replayed.latencies_ms[shown], s=9, color=BLUE, alpha=0.6
        )
        axes.set_xlabel("transactions in the request")
        axes.set_ylabel("milliseconds")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
    return drawing.svg


def stage_durations(outcome: DemoOutcome) -> str:
    """Seconds of each stage."""
    stages = outcome.stages
    with picture(width=_WIDE, height=0.7 + 0.24 * len(stages)) as drawing:
        axes = drawing.axes
        places = range(len(stages))
        bars = axes.barh(places, [stage.seconds for stage in stages], color=BLUE)
        axes.bar_label(bars, fmt="%.1f s", padding=4, color=INK)
        axes.set_yticks(places, [stage.name for stage in stages])
        axes.invert_yaxis()
        axes.margins(x=0.08)
        axes.set_xlabel("seconds")
        axes.grid(visible=False, axis="y")
    return drawing.svg


def _ordinal(day: date) -> float:
    """Days since 1970, which is matplotlib's own number for a date."""
    return float((day - date(1970, 1, 1)).days)


def _sample(rows: int, most: int = 4_000) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Evenly spread positions, so that a page with a week in it stays small."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))
