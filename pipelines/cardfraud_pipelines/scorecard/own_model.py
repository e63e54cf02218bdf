"""Fit our model for one test period, on labels that are known when it starts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import InvalidFrame
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.models.training import TrainedModel, fit
from cardfraud_pipelines.scorecard.configuration import Configuration
from cardfraud_pipelines.scorecard.dataset import Dataset
from cardfraud_pipelines.scorecard.protocol import Week, rows_with_known_labels


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model and what it was fitted on."""

    model: TrainedModel
    train_rows: int
    train_frauds: int


def fit_own(
    data: Dataset,
    features: NDArray[np.float32],
    week: Week,
    configuration: Configuration,
    seed: int,
) -> Fitted:
    """Fit the configured model on the history before ``week``.

    The first days of the data are left out, because their windows reach back to days without data.

    Args:
        data: ``N`` transactions.
        features: ``[N, F]``, each row as known just before its transaction.
        week: the test period; only rows whose label is known at its start are used.
        configuration: estimator, parameters and length of history.
        seed: seed of the estimator.

    Raises:
        InvalidFrame: no days are left to train on.
    """
    day = data.day
    # With little data the book's seven training days are kept whatever the warm-up.
    oldest = min(int(day[0]) + configuration.warm_up_days, week.train_first_day)
    rows = rows_with_known_labels(data, week) & (day >= oldest)
    if configuration.history_days is not None:
        rows &= day >= week.labels_end_day - configuration.history_days
    if not rows.any():
        raise InvalidFrame("data", f"no days to train on before {week.start}")
    model = fit(
        configuration.estimator,
        features[rows],
        data.fraud[rows],
        params=configuration.parameters,
        names=FEATURE_NAMES,
        seed=seed,
        threads=configuration.threads,
    )
    return Fitted(model, int(rows.sum()), int(data.fraud[rows].sum()))
