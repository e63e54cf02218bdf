"""Hyperparameters of each estimator, with their defaults."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cardfraud.errors import InvalidSetting

PositiveWeight = Literal["balanced"] | Annotated[float, Field(gt=0, le=1e9)]


class EstimatorParameters(BaseModel):
    """What every estimator takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    positive_weight: PositiveWeight = Field(default=1.0)
    """Weight of a fraud against 1 for any other row; ``balanced`` gives both classes one total."""


class LogisticRegressionParameters(EstimatorParameters):
    """Logistic regression on standardised features."""

    inverse_regularisation: float = Field(default=1.0, gt=0)
    max_iterations: int = Field(default=1000, ge=1)


class RandomForestParameters(EstimatorParameters):
    """A forest of trees on the raw features."""

    trees: int = Field(default=100, ge=1)
    max_depth: int = Field(default=10, ge=1)
    min_samples_split: int = Field(default=50, ge=2)
    min_samples_leaf: int = Field(default=1, ge=1)
    row_share: float = Field(default=1.0, gt=0, le=1)
    """Rows that each tree draws, with replacement, as a share of all rows."""


class GradientBoostingParameters(EstimatorParameters):
    """LightGBM on the raw features."""

    trees: int = Field(default=120, ge=1)
    learning_rate: float = Field(default=0.05, gt=0)
    leaves: int = Field(default=31, ge=2)
    min_samples_leaf: int = Field(default=50, ge=1)
    feature_share: float = Field(default=0.7, gt=0, le=1)
    """Share of the features that each tree may use."""
    l2: float = Field(default=5.0, ge=0)
    min_split_gain: float = Field(default=0.0, ge=0)
    """A split must lower the loss by this much. Where frauds are few and nothing tells them apart,
    the best of many thresholds gains several units by chance, and such splits disorder the rows
    that the model knows least of. It depends on how many rows there are; small tables need less."""
    linear_start: tuple[str, ...] = Field(default=(), max_length=16)
    """Features of a logistic regression whose margin boosting starts from, for smooth trends which
    no split is worth; without any it starts from the share of frauds. See
    ``cardfraud.models.linear_start``."""
    max_bins: int = Field(default=4095, ge=2, le=65_535)
    """Bins of each feature. Fraud shares of merchants are 0 in nearly every row, and bins hold
    equally many rows: the usual 255 leave a handful for all shares above 0."""


class NeuralNetworkParameters(EstimatorParameters):
    """A network of dense layers on piecewise-linear encodings; needs torch to be fitted."""

    hidden: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(default=(64, 32), max_length=4)
    """Units of each hidden layer."""
    bins: int = Field(default=32, ge=4, le=256)
    """Most bins that the encoding lays out for one feature."""
    epochs: int = Field(default=5, ge=1, le=1000)
    batch_size: int = Field(default=2048, ge=1)
    learning_rate: float = Field(default=0.001, gt=0, le=1)
    """Its peak; it rises over the first tenth of the steps and then falls to 0."""
    weight_decay: float = Field(default=0.01, ge=0, le=1)


PARAMETERS: Final[dict[str, type[EstimatorParameters]]] = {
    "logistic_regression": LogisticRegressionParameters,
    "random_forest": RandomForestParameters,
    "gradient_boosting": GradientBoostingParameters,
    "neural_network": NeuralNetworkParameters,
}
ESTIMATORS: Final = tuple(PARAMETERS)
"""Names that :func:`cardfraud.models.training.fit` takes."""


def parameters_of(name: str, given: dict[str, object] | None = None) -> EstimatorParameters:
    """Return the parameters of estimator ``name``: its defaults, with ``given`` put over them.

    Raises:
        InvalidSetting: there is no such estimator or parameter, or a value is out of range.
    """
    if name not in PARAMETERS:
        raise InvalidSetting("estimator", f"unknown name {name!r}", hint=f"one of {ESTIMATORS}")
    try:
        return PARAMETERS[name].model_validate(given or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidSetting(f"{name}.{where}", first["msg"]) from error
