"""All figures of one scorer on the held-out rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Policy
from cardfraud.contracts.transactions import MINOR_UNITS
from cardfraud.evaluation.alert_queue import AlertQueue, alert_queue
from cardfraud.evaluation.calibration import CalibrationBin, calibration_bins
from cardfraud.evaluation.card_precision import CardPrecision, card_precision
from cardfraud.evaluation.classification import ClassificationMetrics, classification_metrics
from cardfraud.evaluation.cost import CostSummary, OperatingPoint, cost_curve, cost_summary
from cardfraud.evaluation.curves import Curve, precision_recall_curve, roc_curve
from cardfraud.evaluation.expected_loss import ExpectedLoss, expected_loss
from cardfraud.evaluation.held_out import HeldOut, Scored
from cardfraud.evaluation.result import Result
from cardfraud.evaluation.segments import SegmentMetrics, segment_metrics
from cardfraud.features.batch import vector_from_frame
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.features.values import gaps, vector

if TYPE_CHECKING:
    import polars as pl


class Figures(Result):
    """What was measured of one scorer."""

    classification: ClassificationMetrics
    card_precision: CardPrecision
    cost: CostSummary
    segments: tuple[SegmentMetrics, ...]
    expected_loss: ExpectedLoss
    alert_queue: AlertQueue


class Curves(Result):
    """What is drawn of one scorer."""

    roc: Curve
    precision_recall: Curve
    calibration: tuple[CalibrationBin, ...]
    cost: tuple[OperatingPoint, ...]


def held_out(frame: pl.DataFrame) -> HeldOut:
    """Take the arrays out of a candidate's frame; without feature columns F is 0.

    A feature is null where there is no value. The model gets what a server would fill in.
    """
    carried = set(FEATURE_NAMES) <= set(frame.columns)
    names = FEATURE_NAMES if carried else ()
    found = vector_from_frame(frame, names)
    segments = frame["segment"]
    return HeldOut(
        labels=frame["is_fraud"].to_numpy().astype(np.bool_),
        amounts=frame["amount_minor"].to_numpy() / MINOR_UNITS,
        days=frame["event_time"].dt.epoch("d").to_numpy().astype(np.int64),
        cards=frame["user_id"].to_numpy().astype(np.str_),
        segments=None if segments.null_count() == len(frame) else segments.to_numpy(),
        features=vector(found) if carried else np.empty((len(frame), 0), dtype=np.float32),
        feature_names=names,
        missing=gaps(found) if carried else None,
    )


def measure(rows: HeldOut, scored: Scored, policy: Policy, *, k: int) -> Figures:
    """Measure a scorer at its own thresholds, its decisions, by rules too, priced by the policy."""
    y, scores, review = rows.labels, scored.scores, scored.thresholds.review
    return Figures(
        classification=classification_metrics(y, scores, threshold=review, k=k),
        card_precision=card_precision(rows.days, rows.cards, y, scores, k=k),
        cost=cost_summary(
            y, scores, rows.amounts, costs=policy.costs, actions=scored.actions(rows)
        ),
        segments=(
            ()
            if rows.segments is None
            else segment_metrics(y, scores, rows.segments, threshold=review)
        ),
        expected_loss=expected_loss(rows.days, y, scores, rows.amounts),
        alert_queue=alert_queue(rows.days, rows.cards, y, scores, k=k),
    )


def draw(rows: HeldOut, scores: NDArray[np.float32], policy: Policy) -> Curves:
    """Return the curves of scores ``[N]`` on the rows."""
    return Curves(
        roc=roc_curve(rows.labels, scores),
        precision_recall=precision_recall_curve(rows.labels, scores),
        calibration=calibration_bins(rows.labels, scores),
        cost=cost_curve(rows.labels, scores, rows.amounts, costs=policy.costs),
    )
