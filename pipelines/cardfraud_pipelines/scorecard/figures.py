"""The figures of one scorer on one test period."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardfraud.evaluation.card_precision import card_precision
from cardfraud.evaluation.classification import auc_roc, average_precision
from cardfraud_pipelines.scorecard.dataset import Dataset
from cardfraud_pipelines.scorecard.result import Figures

CARDS_PER_DAY = 100


def figures(data: Dataset, tested: NDArray[np.bool_], scores: NDArray[np.floating]) -> Figures:
    """Return the figures of ``scores``, one for each of the ``tested`` rows."""
    labels = data.fraud[tested]
    cards = card_precision(data.day[tested], data.customer[tested], labels, scores, k=CARDS_PER_DAY)
    # Both are defined: the protocol refuses test rows without fraud, and 100 cards a day are few.
    return Figures(
        auc_roc=auc_roc(labels, scores) or 0.0,
        average_precision=average_precision(labels, scores) or 0.0,
        card_precision=cards.mean,
        share_of_ceiling=cards.share_of_ceiling or 0.0,
    )


def ceiling(data: Dataset, tested: NDArray[np.bool_]) -> float:
    """Return the Card Precision@100 of a scorer that knows every label of the ``tested`` rows."""
    labels = data.fraud[tested]
    perfect = labels.astype(np.float64)
    return card_precision(
        data.day[tested], data.customer[tested], labels, perfect, k=CARDS_PER_DAY
    ).ceiling


def mean(runs: Sequence[Figures]) -> Figures:
    """Return the mean of each figure over at least one run."""
    names = Figures.model_fields
    return Figures(**{n: float(np.mean([getattr(run, n) for run in runs])) for n in names})
