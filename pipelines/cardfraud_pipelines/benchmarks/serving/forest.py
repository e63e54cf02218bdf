"""The model that every server of the benchmark serves: one random forest, in both its forms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.bundle import InputColumn, Signature
from cardfraud.contracts.digests import canonical_json
from cardfraud.features.definitions import FEATURE_NAMES, FEATURES, feature_set_digest
from cardfraud.models.calibration import PlattCalibration
from cardfraud.models.estimators import RandomForestCore
from cardfraud.models.export import assemble

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

TREES: Final = 100
DEPTH: Final = 20
SEED: Final = 42
COLUMNS: Final = (
    "amount",
    "is_weekend",
    "is_night",
    *(
        f"{feature}_{window}"
        for window in ("1d", "7d", "30d")
        for feature in (
            "user_count",
            "user_avg_amount",
            "merchant_count",
            "merchant_fraud_share",
        )
    ),
)
"""The 15 features of the handbook's third chapter under this library's names."""

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Forest:
    """A fitted forest whose thresholds are float32 numbers, so that its export decides alike.

    Attributes:
        classifier: the forest.
        typical: median of each of ``COLUMNS`` among the legitimate training rows, which is what a
            server explains a score against.
    """

    classifier: RandomForestClassifier
    typical: tuple[float, ...]

    def probability(self, vector: Vector) -> NDArray[np.float64]:
        """Return the probability of fraud of each row, [N], for all features [N, F]."""
        scores: NDArray[np.float64] = self.classifier.predict_proba(_frame(vector))[:, 1]
        return scores

    def save(self, path: Path) -> None:
        """Write the classifier as the baseline reads it."""
        import joblib

        joblib.dump(self.classifier, path)

    def bundle_files(self) -> dict[str, bytes]:
        """Return the files of a bundle around the same forest."""
        defaults = {feature.name: feature.default for feature in FEATURES}
        signature = Signature(
            feature_set_digest=feature_set_digest(),
            inputs=tuple(
                InputColumn(name=name, default=defaults[name], typical=typical)
                for name, typical in zip(COLUMNS, self.typical, strict=True)
            ),
        )
        core = RandomForestCore(self.classifier)
        graph = assemble(
            core.to_onnx(),
            output=core.output,
            calibration=PlattCalibration(),
            feature_names=COLUMNS,
        )
        return {
            "model.onnx": graph,
            "signature.json": canonical_json(signature.model_dump(mode="json")),
            "metrics.json": b"{}",
            "lineage.json": b"{}",
            "card.md": b"# The forest of the serving benchmark\n",
        }


def fit_forest(vector: Vector, labels: NDArray[np.bool_]) -> Forest:
    """Fit the forest.

    Args:
        vector: [N, F] float32, all features in the order of ``FEATURE_NAMES``.
        labels: [N], true is fraud.
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=TREES, max_depth=DEPTH, random_state=SEED, n_jobs=-1
    )
    forest.fit(_frame(vector), labels.astype(np.int64))
    forest.set_params(n_jobs=None)  # as it is served
    RandomForestCore(forest)  # rounds the thresholds in place
    legitimate = select(vector)[~labels]
    return Forest(forest, tuple(float(np.median(column)) for column in legitimate.T))


def select(vector: Vector) -> Vector:
    """Return the forest's columns, [N, 15], of all features, [N, F]."""
    positions = [FEATURE_NAMES.index(name) for name in COLUMNS]
    return np.ascontiguousarray(vector[:, positions])


def _frame(vector: Vector) -> Any:
    import pandas as pd

    return pd.DataFrame(select(vector), columns=list(COLUMNS))
