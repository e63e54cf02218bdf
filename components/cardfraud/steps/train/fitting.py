"""From rows to a fitted model, its graph, and what both say on each period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.bundle import InputColumn, Signature
from cardfraud.evaluation.classification import classification_metrics
from cardfraud.features.definitions import FEATURE_NAMES, FEATURES, feature_set_digest
from cardfraud.models.parity import require_parity
from cardfraud.models.training import TrainedModel, fit
from cardfraud.steps.train.config import TrainConfig
from cardfraud.steps.train.rows import Rows, Splits

_COUNTS = {
    "threshold",
    "k",
    "true_positives",
    "false_positives",
    "false_negatives",
    "true_negatives",
}


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model with what was made and measured of it; scores and metrics by period."""

    model: TrainedModel
    onnx: bytes
    parity: float
    scores: dict[str, NDArray[np.float32]]
    metrics: dict[str, dict[str, float | None]]
    signature: Signature


def fit_splits(config: TrainConfig, splits: Splits) -> Fitted:
    """Fit, calibrate and export as the configuration says, and score all three periods.

    Raises:
        InvalidSetting: a parameter that the estimator does not take.
        IntegrityError: the graph gives other numbers than the estimator on some test row.
    """
    parameters = dict(config.parameters)
    if config.class_weight is not None:
        parameters["positive_weight"] = config.class_weight
    held_out = splits.validation
    model = fit(
        config.algorithm,
        splits.train.features,
        splits.train.labels,
        params=parameters,
        names=FEATURE_NAMES,
        seed=config.seed,
        validation=(held_out.features, held_out.labels) if config.calibrate else None,
        threads=config.threads,
    )
    onnx = model.to_onnx(FEATURE_NAMES)
    parity = require_parity(model, onnx, splits.test.features)
    parts = {"train": splits.train, "validation": held_out, "test": splits.test}
    scores = {name: model.predict_probability(part.features) for name, part in parts.items()}
    metrics = {
        name: classification_metrics(part.labels, scores[name]).model_dump(exclude=_COUNTS)
        for name, part in parts.items()
    }
    return Fitted(model, onnx, parity, scores, metrics, _signature(splits.train))


def _signature(rows: Rows) -> Signature:
    """Describe the input; the median of each column among legitimate rows is what is typical."""
    legitimate = rows.features[~rows.labels]
    # Column by column, because a median sorts a copy; of float32, so that a server has it exactly.
    typical = [float(np.median(legitimate[:, column])) for column in range(len(FEATURES))]
    return Signature(
        feature_set_digest=feature_set_digest(),
        inputs=tuple(
            InputColumn(name=feature.name, default=feature.default, typical=middle)
            for feature, middle in zip(FEATURES, typical, strict=True)
        ),
    )
