"""The fitted cores: each turns features into a margin and knows its own ONNX form.

A margin is a log-odds, before calibration. The core of the export comes from the library that
converts the estimator; what surrounds it is in ``cardfraud.models.export``.
"""

from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cardfraud.models.matrix import Float32Matrix
from cardfraud.models.parameters import (
    EstimatorParameters,
    GradientBoostingParameters,
    LogisticRegressionParameters,
    RandomForestParameters,
)
from cardfraud.models.thresholds import round_forest, round_lightgbm_text

if TYPE_CHECKING:
    from lightgbm import Booster
    from onnx import ModelProto
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline

OPSET = 17
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
            self._pipeline, self._pipeline.n_features_in_, {"zipmap": False, "raw_scores": True}
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
        return _skl2onnx(self._forest, self._forest.n_features_in_, {"zipmap": False})


class GradientBoostingCore:
    """A LightGBM model whose thresholds are float32 numbers."""

    output: Output = "margin"

    def __init__(self, booster: "Booster") -> None:
        """Round the thresholds in the model's text and load it again."""
        from lightgbm import Booster

        self._text = round_lightgbm_text(booster.model_to_string())
        self._booster = Booster(model_str=self._text)

    def margin(self, features: Float32Matrix) -> NDArray[np.float64]:
        """Return the raw score, ``[N]``."""
        return np.asarray(
            self._booster.predict(features, raw_score=True, num_threads=1), dtype=np.float64
        )

    def to_onnx(self) -> "ModelProto":
        """Convert as a regression, which leaves the raw score as it is."""
        from lightgbm import Booster
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        text = self._text.replace("objective=binary sigmoid:1", "objective=regression")
        booster = Booster(model_str=text)
        shape = FloatTensorType([None, booster.num_feature()])
        return convert_lightgbm(
            booster, initial_types=[("features", shape)], target_opset=OPSET, zipmap=False
        )


def fit_core(
    parameters: EstimatorParameters,
    features: Float32Matrix,
    labels: NDArray[np.bool_],
    *,
    seed: int,
    threads: int,
) -> Core:
    """Fit the estimator that ``parameters`` belong to."""
    weight = _weights(parameters, labels)
    match parameters:
        case LogisticRegressionParameters():
            return _fit_logistic_regression(parameters, features, labels, weight, seed)
        case RandomForestParameters():
            return _fit_random_forest(parameters, features, labels, weight, seed, threads)
        case GradientBoostingParameters():
            return _fit_gradient_boosting(parameters, features, labels, weight, seed, threads)
        case _:
            raise TypeError(type(parameters))


def _weights(parameters: EstimatorParameters, labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    frauds = int(labels.sum())
    weight = parameters.positive_weight
    ratio = (len(labels) - frauds) / frauds if weight == "balanced" else float(weight)
    return np.where(labels, ratio, 1.0)


def _fit_logistic_regression(
    parameters: LogisticRegressionParameters,
    features: Float32Matrix,
    labels: NDArray[np.bool_],
    weight: NDArray[np.float64],
    seed: int,
) -> Core:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(
        C=parameters.inverse_regularisation,
        max_iter=parameters.max_iterations,
        random_state=seed,
    )
    pipeline = Pipeline([("scaler", StandardScaler()), ("model", model)])
    pipeline.fit(features.astype(np.float64), labels, model__sample_weight=weight)
    return LogisticRegressionCore(pipeline)


def _fit_random_forest(
    parameters: RandomForestParameters,
    features: Float32Matrix,
    labels: NDArray[np.bool_],
    weight: NDArray[np.float64],
    seed: int,
    threads: int,
) -> Core:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=parameters.trees,
        max_depth=parameters.max_depth,
        min_samples_split=parameters.min_samples_split,
        min_samples_leaf=parameters.min_samples_leaf,
        random_state=seed,
        n_jobs=threads,
    )
    forest.fit(features, labels, sample_weight=weight)
    return RandomForestCore(forest)


def _fit_gradient_boosting(
    parameters: GradientBoostingParameters,
    features: Float32Matrix,
    labels: NDArray[np.bool_],
    weight: NDArray[np.float64],
    seed: int,
    threads: int,
) -> Core:
    import lightgbm

    settings: dict[str, Any] = {
        "objective": "binary",
        "learning_rate": parameters.learning_rate,
        "num_leaves": parameters.leaves,
        "min_data_in_leaf": parameters.min_samples_leaf,
        "feature_fraction": parameters.feature_share,
        "lambda_l2": parameters.l2,
        "seed": seed,
        # The same seed gives the same model: no choice of algorithm by timing, fixed row order.
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "use_missing": False,
        "verbose": -1,
    }
    rows = lightgbm.Dataset(features, labels.astype(np.int8), weight=weight, free_raw_data=True)
    return GradientBoostingCore(lightgbm.train(settings, rows, parameters.trees))


def _skl2onnx(model: object, columns: int, options: dict[str, bool]) -> "ModelProto":
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    last = model.steps[-1][1] if hasattr(model, "steps") else model
    return convert_sklearn(
        model,
        initial_types=[("features", FloatTensorType([None, columns]))],
        target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
        options={id(last): options},
    )
