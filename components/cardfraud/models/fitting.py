"""How each estimator is fitted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardfraud.models.estimators import (
    Core,
    GradientBoostingCore,
    LogisticRegressionCore,
    RandomForestCore,
)
from cardfraud.models.linear_start import fit_linear_start, positions
from cardfraud.models.matrix import Float32Matrix
from cardfraud.models.network_fitting import fit_neural_network
from cardfraud.models.parameters import (
    EstimatorParameters,
    GradientBoostingParameters,
    LogisticRegressionParameters,
    NeuralNetworkParameters,
    RandomForestParameters,
)

_ROWS_FOR_BINS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Rows:
    features: Float32Matrix
    labels: NDArray[np.bool_]
    weight: NDArray[np.float64]


def fit_core(
    parameters: EstimatorParameters,
    features: Float32Matrix,
    labels: NDArray[np.bool_],
    *,
    names: Sequence[str] | None,
    seed: int,
    threads: int,
) -> Core:
    """Fit the estimator that ``parameters`` belong to on ``[N, F]`` features, ``[N]`` labels.

    Raises:
        InvalidSetting: a parameter names a feature that is not among ``names``.
    """
    rows = _Rows(features, labels, _weights(parameters, labels))
    match parameters:
        case LogisticRegressionParameters():
            return _logistic_regression(parameters, rows, seed)
        case RandomForestParameters():
            return _random_forest(parameters, rows, seed, threads)
        case GradientBoostingParameters():
            start = positions(parameters.linear_start, names)
            return _gradient_boosting(parameters, rows, start, seed, threads)
        case NeuralNetworkParameters():
            return fit_neural_network(parameters, features, labels, rows.weight, seed)
        case _:
            raise TypeError(type(parameters))


def _weights(parameters: EstimatorParameters, labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    frauds = int(labels.sum())
    weight = parameters.positive_weight
    ratio = (len(labels) - frauds) / frauds if weight == "balanced" else float(weight)
    return np.where(labels, ratio, 1.0)


def _logistic_regression(
    parameters: LogisticRegressionParameters, rows: _Rows, seed: int
) -> LogisticRegressionCore:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(
        C=parameters.inverse_regularisation,
        max_iter=parameters.max_iterations,
        random_state=seed,
    )
    pipeline = Pipeline([("scaler", StandardScaler()), ("model", model)])
    pipeline.fit(rows.features.astype(np.float64), rows.labels, model__sample_weight=rows.weight)
    return LogisticRegressionCore(pipeline)


def _random_forest(
    parameters: RandomForestParameters, rows: _Rows, seed: int, threads: int
) -> RandomForestCore:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=parameters.trees,
        max_depth=parameters.max_depth,
        min_samples_split=parameters.min_samples_split,
        min_samples_leaf=parameters.min_samples_leaf,
        max_samples=parameters.row_share,
        random_state=seed,
        n_jobs=threads,
    )
    forest.fit(rows.features, rows.labels, sample_weight=rows.weight)
    # Several threads add the trees' votes up in the order in which they finish, which moves the
    # last bits of a probability, and with them the calibration, from run to run.
    forest.set_params(n_jobs=1)
    return RandomForestCore(forest)


def _gradient_boosting(
    parameters: GradientBoostingParameters,
    rows: _Rows,
    columns: tuple[int, ...],
    seed: int,
    threads: int,
) -> GradientBoostingCore:
    import lightgbm

    start = None
    if columns:
        start = fit_linear_start(columns, rows.features, rows.labels, rows.weight)

    settings: dict[str, Any] = {
        "objective": "binary",
        "learning_rate": parameters.learning_rate,
        "num_leaves": parameters.leaves,
        "min_data_in_leaf": parameters.min_samples_leaf,
        "feature_fraction": parameters.feature_share,
        "lambda_l2": parameters.l2,
        "min_gain_to_split": parameters.min_split_gain,
        "max_bin": parameters.max_bins,
        # Bins are laid out from all rows up to this number, not from a sample of 200,000.
        "bin_construct_sample_cnt": _ROWS_FOR_BINS,
        "seed": seed,
        # The same seed gives the same model: no choice of algorithm by timing, fixed row order.
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "use_missing": False,
        "verbose": -1,
    }
    data = lightgbm.Dataset(
        rows.features,
        rows.labels.astype(np.int8),
        weight=rows.weight,
        init_score=None if start is None else start.margin(rows.features),
    )
    return GradientBoostingCore(lightgbm.train(settings, data, parameters.trees), start)
