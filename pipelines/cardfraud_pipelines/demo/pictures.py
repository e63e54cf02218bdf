"""The pictures of the demo's report."""

from __future__ import annotations

from datetime import date

import numpy as np

from cardfraud.reporting.figures import BLUE, GREEN, INK, MUTED, ORANGE, PALE, RED, picture
from cardfraud_pipelines.demo.outcome import DataSeen, DemoOutcome, ModelRow, Replayed
from cardfraud_pipelines.demo.parity import TOLERANCE
from cardfraud_pipelines.demo.plan import Plan


def timeline(plan: Plan) -> str:
    """The spans of the demo along the calendar."""
    spans = [
        ("history", plan.history, PALE),
        ("train", plan.train, BLUE),
        ("validation", plan.validation, GREEN),
        ("test", plan.test, ORANGE),
        ("replay", plan.replay, RED),
    ]
    with picture(width=10.6, height=1.9) as drawing:
        for row, (_name, span, colour) in enumerate(reversed(spans)):
            start, end = _ordinal(span.start), _ordinal(span.end)
            drawing.axes.barh(row, max(end - start, 0.6), left=start, color=colour, height=0.6)
        drawing.axes.set_yticks(range(len(spans)), [name for name, _, _ in reversed(spans)])
        drawing.axes.xaxis_date()
        drawing.axes.grid(axis="y", visible=False)
    return drawing.svg


def transactions_by_day(data: DataSeen) -> str:
    """Transactions and known frauds of each day."""
    with picture() as drawing:
        days = [_ordinal(day) for day in data.days]
        drawing.axes.fill_between(days, data.transactions, color=PALE, label="transactions")
        drawing.axes.xaxis_date()
        drawing.axes.tick_params(axis="x", rotation=30)
        drawing.axes.set_ylabel("transactions a day")
        drawing.axes.set_ylim(bottom=0)
        frauds = drawing.axes.twinx()
        frauds.plot(days, data.frauds, color=RED, linewidth=1.2)
        frauds.set_ylabel("frauds a day", color=RED)
        frauds.set_ylim(bottom=0)
        frauds.grid(visible=False)
    return drawing.svg


def models_compared(models: tuple[ModelRow, ...]) -> str:
    """Average precision of each model on validation and test."""
    with picture() as drawing:
        positions = np.arange(len(models))
        validation = [m.validation_average_precision for m in models]
        test = [m.test_average_precision for m in models]
        drawing.axes.bar(positions - 0.18, validation, 0.34, color=GREEN, label="validation")
        drawing.axes.bar(positions + 0.18, test, 0.34, color=ORANGE, label="test")
        drawing.axes.set_xticks(positions, [m.algorithm.replace("_", "\n") for m in models])
        drawing.axes.set_ylabel("average precision")
        drawing.axes.set_ylim(0, 1)
        drawing.axes.legend(ncols=2, loc="upper left")
    return drawing.svg


def served_against_offline(replayed: Replayed) -> str:
    """Every served score over its offline score."""
    with picture() as drawing:
        drawing.axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8)
        shown = _sample(len(replayed.served))
        drawing.axes.scatter(
            replayed.offline[shown], replayed.served[shown], s=6, color=BLUE, alpha=0.5
        )
        drawing.axes.set_xlabel("offline probability")
        drawing.axes.set_ylabel("served probability")
    return drawing.svg


def differences(replayed: Replayed) -> str:
    """How far served and offline are apart, on a logarithmic scale."""
    with picture() as drawing:
        gap = np.abs(replayed.served - replayed.offline)
        gap = np.clip(np.nan_to_num(gap, nan=1.0), 1e-12, 1.0)
        drawing.axes.hist(gap, bins=list(np.logspace(-12, 0, 49)), color=BLUE)
        drawing.axes.axvline(TOLERANCE, color=RED, linewidth=1.0)
        drawing.axes.text(
            TOLERANCE,
            0.95,
            " tolerance",
            color=RED,
            va="top",
            transform=drawing.axes.get_xaxis_transform(),
        )
        drawing.axes.set_xscale("log")
        drawing.axes.set_yscale("log")
        drawing.axes.set_xlabel("|served - offline|; exact agreement stands at the left edge")
        drawing.axes.set_ylabel("transactions")
    return drawing.svg


def scores_by_truth(outcome: DemoOutcome) -> str:
    """Served scores of good and fraudulent transactions, with the thresholds."""
    replayed = outcome.replayed
    with picture() as drawing:
        bins = list(np.linspace(0, 1, 41))
        score = np.nan_to_num(replayed.served)
        drawing.axes.hist(score[~replayed.fraud], bins=bins, color=PALE, label="legitimate")
        drawing.axes.hist(score[replayed.fraud], bins=bins, color=RED, alpha=0.8, label="fraud")
        for value, name in (
            (outcome.review_threshold, "review"),
            (outcome.decline_threshold, "decline"),
        ):
            drawing.axes.axvline(value, color=INK, linewidth=0.9, linestyle="--")
            drawing.axes.text(
                value,
                0.6,
                f" {name}",
                color=INK,
                rotation=90,
                transform=drawing.axes.get_xaxis_transform(),
            )
        drawing.axes.set_yscale("log")
        drawing.axes.set_xlabel("served probability; colours are what became known later")
        drawing.axes.set_ylabel("transactions")
        drawing.axes.legend(loc="upper center")
    return drawing.svg


def request_latencies(replayed: Replayed) -> str:
    """Duration of each request over the number of its instances."""
    with picture() as drawing:
        drawing.axes.scatter(replayed.batch_sizes, replayed.latencies_ms, s=8, color=BLUE)
        drawing.axes.set_xlabel("transactions in the request")
        drawing.axes.set_ylabel("milliseconds")
        drawing.axes.set_xlim(left=0)
        drawing.axes.set_ylim(bottom=0)
    return drawing.svg


def stage_durations(outcome: DemoOutcome) -> str:
    """Seconds of each stage."""
    with picture() as drawing:
        names = [stage.name for stage in outcome.stages][::-1]
        seconds = [stage.seconds for stage in outcome.stages][::-1]
        drawing.axes.barh(names, seconds, color=BLUE)
        drawing.axes.bar_label(drawing.axes.containers[0], fmt=" %.1f", color=MUTED)  # type: ignore[arg-type]
        drawing.axes.set_xlabel("seconds")
        drawing.axes.grid(axis="y", visible=False)
    return drawing.svg


def _ordinal(day: date) -> float:
    """Days since 1970, which is matplotlib's own number for a date."""
    return float((day - date(1970, 1, 1)).days)


def _sample(rows: int, most: int = 4_000) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Evenly spread positions, so that a page with a week in it stays small."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))
