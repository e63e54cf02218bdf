"""All figures of one scorer on the held-out rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Policy
from cardfraud.contracts.transactions import MINOR_UNITS
from cardfraud.evaluation.calibration import CalibrationBin, calibration_bins
from cardfraud.evaluation.card_precision import CardPrecision, card_precision
from cardfraud.evaluation.classification import ClassificationMetrics, classification_metrics
from cardfraud.evaluation.cost import CostSummary, OperatingPoint, cost_curve, cost_summary
from cardfraud.evaluation.curves import Curve, precision_recall_curve, roc_curve
from cardfraud.evaluation.intervals import Interval, average_precision_interval
from cardfraud.evaluation.result import Result
from cardfraud.evaluation.segments import SegmentMetrics, segment_metrics
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.scoring.session import OnnxScorer

if TYPE_CHECKING:
    import polars as pl

_WARM_UP = 50


class Latency(Result):
    """Time to score one row with the graph alone, in milliseconds."""

    samples: int
    p50_ms: float
    p99_ms: float


class Figures(Result):
    """What was measured of one scorer."""

    classification: ClassificationMetrics
    average_precision_interval: Interval
    card_precision: CardPrecision
    cost: CostSummary
    segments: tuple[SegmentMetrics, ...]


class Curves(Result):
    """What is drawn of one scorer."""

    roc: Curve
    precision_recall: Curve
    calibration: tuple[CalibrationBin, ...]
    cost: tuple[OperatingPoint, ...]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The rows on which scorers are judged; every array is ``[N]``, features ``[N, F]``."""

    labels: NDArray[np.bool_]
    amounts: NDArray[np.float64]
    days: NDArray[np.int64]
    cards: NDArray[np.str_]
    segments: NDArray[np.object_] | None
    features: NDArray[np.float32]


def held_out(frame: pl.DataFrame) -> HeldOut:
    """Take the arrays out of a candidate's frame; without feature columns F is 0."""
    names = [name for name in FEATURE_NAMES if name in frame.columns]
    segments = frame["segment"]
    return HeldOut(
        labels=frame["is_fraud"].to_numpy().astype(np.bool_),
        amounts=frame["amount_minor"].to_numpy() / MINOR_UNITS,
        days=frame["event_time"].dt.epoch("d").to_numpy().astype(np.int64),
        cards=frame["user_id"].to_numpy().astype(np.str_),
        segments=None if segments.null_count() == len(frame) else segments.to_numpy(),
        features=np.ascontiguousarray(frame.select(names).to_numpy(), dtype=np.float32),
    )


def measure(
    rows: HeldOut,
    scores: NDArray[np.float32],
    policy: Policy,
    *,
    k: int,
    seed: int,
    interval: Interval | None = None,
) -> Figures:
    """Measure scores ``[N]`` on the rows, deciding as the policy says.

    ``interval`` is that of the average precision where the comparison with the champion has drawn
    it already; None draws it here, from the same resamples.
    """
    y, review = rows.labels, policy.thresholds.review
    gate = policy.gate
    return Figures(
        classification=classification_metrics(y, scores, threshold=review, k=k),
        average_precision_interval=interval
        or average_precision_interval(
            y,
            scores,
            groups=rows.cards,
            resamples=gate.bootstrap_samples,
            level=gate.confidence,
            seed=seed,
        ),
        card_precision=card_precision(rows.days, rows.cards, y, scores, k=k),
        cost=cost_summary(
            y, scores, rows.amounts, costs=policy.costs, thresholds=policy.thresholds
        ),
        segments=(
            ()
            if rows.segments is None
            else segment_metrics(y, scores, rows.segments, threshold=review)
        ),
    )


def draw(rows: HeldOut, scores: NDArray[np.float32], policy: Policy) -> Curves:
    """Return the curves of scores ``[N]`` on the rows."""
    return Curves(
        roc=roc_curve(rows.labels, scores),
        precision_recall=precision_recall_curve(rows.labels, scores),
        calibration=calibration_bins(rows.labels, scores),
        cost=cost_curve(rows.labels, scores, rows.amounts, costs=policy.costs),
    )


def time_single_rows(
    scorer: OnnxScorer, features: NDArray[np.float32], samples: int
) -> Latency | None:
    """Time the scoring of single rows; None for no samples."""
    if not samples:
        return None
    rows = [features[i % len(features)][None, :] for i in range(samples + _WARM_UP)]
    spent = np.empty(len(rows))
    for i, row in enumerate(rows):
        begun = time.perf_counter()
        scorer.score(row)
        spent[i] = (time.perf_counter() - begun) * 1000
    p50, p99 = np.quantile(spent[_WARM_UP:], [0.5, 0.99])
    return Latency(samples=samples, p50_ms=float(p50), p99_ms=float(p99))
