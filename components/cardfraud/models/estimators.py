"""The fitted cores: each turns features into a margin and knows its own ONNX form.

A margin is a log-odds, before calibration. The core of the export comes from the library that
converts the estimator; what surrounds it is in ``cardfraud.models.export``.
"""

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cardfraud.models.linear_start import LinearStart
from cardfraud.models.matrix import Float32Matrix
from cardfraud.models.thresholds import round_forest, round_lightgbm_text

if TYPE_CHECKING:
    from lightgbm import Booster
    from onnx import ModelProto
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline

# The newest that both converters write.
OPSET = 15
ML_OPSET = 3
PROBABILITY_FLOOR = 1e-6
"""A forest's probability is kept this far from 0 and 1, so that its log-odds are finite."""

Output = Literal["margin", "probability", "two_margins"]


class Core(Protocol):
    """A fitted estimator."""

    output: Output
    """What the first float output of the ONNX core holds: one margin, or one column a class."""

    def margin(self, features: Float32Matrix) -> NDArray[np.float64]:
        """Return the log-odds of each row, ``[N]``."""

    def to_onnx(self) -> "ModelProto":
        """Return the library's own conversion."""


class LogisticRegressionCore:
    """A scaler and a logistic regression."""

    output: Output = "two_margins"

    def __init__(self, pipeline: "Pipeline") -> None:
        """Keep the fitted pipeline."""
        self._pipeline = pipeline

    def margin(self, features: Float32Matrix) -> NDArray[np.float64]:
        """Return the decision function, ``[N]``."""
        return np.asarray(
            self._pipeline.decision_function(features.astype(np.float64)), dtype=np.float64
        )

    def to_onnx(self) -> "ModelProto":
        """Convert the pipeline with its raw scores."""
        return _skl2onnx(
            self._pipeline,
            self._pipeline.steps[-1][1],
            columns=self._pipeline.n_features_in_,
            options={"zipmap": False, "raw_scores": True},
        )


class RandomForestCore:
    """A random forest whose thresholds are float32 numbers."""

    output: Output = "probability"

    def __init__(self, forest: "RandomForestClassifier") -> None:
        """Round the thresholds of the fitted forest down and keep it."""
        round_forest(forest)
        self._forest = forest

    def margin(self, features: Float32Matrix) -> NDArray[np.float64]:
        """Return the log-odds of the mean of the trees' probabilities, ``[N]``."""
        p = np.asarray(self._forest.predict_proba(features)[:, 1], dtype=np.float64)
        p = np.clip(p, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
        return np.log(p / (1 - p))

    def to_onnx(self) -> "ModelProto":
        """Convert the forest with its probabilities."""
        return _skl2onnx(
            self._forest,
            self._forest,
            columns=self._forest.n_features_in_,
            options={"zipmap": False},
        )


class GradientBoostingCore:
    """A LightGBM model whose thresholds are float32 numbers."""

    output: Output = "margin"

    def __init__(self, booster: "Booster", start: LinearStart | None = None) -> None:
        """Round the thresholds in the model's text and load it again; ``start`` is added to it."""
        from lightgbm import Booster

        self._start = start
        self._text = round_lightgbm_text(booster.model_to_string())
        self._booster = Booster(model_str=self._text)

    def margin(self, features: Float32Matrix) -> NDArray[np.float64]:
        """Return the raw score, ``[N]``."""
        raw = self._booster.predict(features, raw_score=True, num_threads=1)
        margin = np.asarray(raw, dtype=np.float64)
        return margin if self._start is None else margin + self._start.margin(features)

    def to_onnx(self) -> "ModelProto":
        """Convert as a regression, which leaves the raw score as it is."""
        from lightgbm import Booster
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        # The objective stands in the header and among the parameters; the converter reads both.
        text = self._text.replace("objective=binary sigmoid:1", "objective=regression")
        text = text.replace("[objective: binary]", "[objective: regression]")
        booster = Booster(model_str=text)
        shape = FloatTensorType([None, booster.num_feature()])
        model: ModelProto = convert_lightgbm(
            booster, initial_types=[("features", shape)], target_opset=OPSET, zipmap=False
        )
        return model if self._start is None else self._start.added_to(model)


def _skl2onnx(
    model: object, classifier: object, *, columns: int, options: dict[str, bool]
) -> "ModelProto":
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    converted: ModelProto = convert_sklearn(
        model,
        initial_types=[("features", FloatTensorType([None, columns]))],
        target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
        options={id(classifier): options},
    )
    return converted
