"""The gate's checks of whether the held-out rows can carry a verdict at all."""

from __future__ import annotations

from typing import Final

import numpy as np

from cardfraud.contracts.policy import GateLimits
from cardfraud.evaluation.check import Check
from cardfraud.evaluation.comparison import Comparison
from cardfraud.evaluation.held_out import HeldOut

MIN_DEFINED: Final = 0.99
"""Share of the draws in which every figure that is judged must be defined."""


def check_evidence(
    rows: HeldOut, comparison: Comparison, limits: GateLimits
) -> tuple[Check, Check, Check]:
    """Count frauds, the cards that they are on, and the draws that have any.

    Rows of one card are drawn together: sixty frauds on one card are one piece of evidence.
    """
    frauds, cards = int(rows.labels.sum()), len(np.unique(rows.cards[rows.labels]))
    measured = [comparison.candidate.average_precision]
    if comparison.difference is not None:
        measured.append(comparison.difference.average_precision)
    draws = min(0 if each is None else each.resamples for each in measured)
    defined = draws / limits.bootstrap_samples
    return (
        Check(
            name="positives",
            passed=frauds >= limits.min_positives,
            value=frauds,
            limit=limits.min_positives,
            sentence=f"The held-out rows hold {frauds} frauds; at least {limits.min_positives} "
            "are needed.",
        ),
        Check(
            name="fraud_cards",
            passed=cards >= limits.min_fraud_cards,
            value=cards,
            limit=limits.min_fraud_cards,
            sentence=f"The frauds are on {cards} cards; at least {limits.min_fraud_cards} are "
            "needed.",
        ),
        Check(
            name="resamples",
            passed=defined >= MIN_DEFINED,
            value=defined,
            limit=MIN_DEFINED,
            sentence=f"Average precision is defined in {draws} of {limits.bootstrap_samples} draws "
            f"of cards; the intervals mean something from {MIN_DEFINED:.0%} on.",
        ),
    )
