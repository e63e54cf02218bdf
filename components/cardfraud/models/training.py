"""Fit an estimator by name, calibrate it, and hand back what can be scored and exported."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import InvalidSetting
from cardfraud.models.calibration import PlattCalibration, fit_platt
from cardfraud.models.estimators import Core
from cardfraud.models.export import assemble
from cardfraud.models.fitting import fit_core
from cardfraud.models.matrix import Float32Matrix, class_labels, feature_matrix
from cardfraud.models.parameters import EstimatorParameters, parameters_of

_MAX_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A fitted estimator with its calibration."""

    name: str
    seed: int
    columns: int
    core: Core
    calibration: PlattCalibration
    calibrated: bool
    settings: EstimatorParameters

    @property
    def parameters(self) -> dict[str, Any]:
        """What it takes to fit it again, and the calibration that came out; JSON values only."""
        return {
            "estimator": self.name,
            "seed": self.seed,
            **self.settings.model_dump(mode="json"),
            "calibration": self.calibration.as_dict() if self.calibrated else None,
        }

    def predict_probability(self, features: Float32Matrix) -> NDArray[np.float32]:
        """Return the probability of fraud of each row, ``[N]``, for features ``[N, F]``.

        Raises:
            InvalidFrame: not a finite float32 matrix with the columns of the training.
        """
        x = feature_matrix(features, columns=self.columns)
        if not len(x):
            return np.empty(0, dtype=np.float32)
        return self.calibration.probability(self.core.margin(x))

    def to_onnx(self, feature_names: Sequence[str]) -> bytes:
        """Return the ONNX graph; the same model and names always give the same bytes.

        Raises:
            InvalidSetting: a name occurs twice.
            IntegrityError: there are not as many names as columns.
        """
        return assemble(
            self.core.to_onnx(),
            output=self.core.output,
            calibration=self.calibration,
            feature_names=feature_names,
        )


def fit(
    name: str,
    features: Float32Matrix,
    labels: NDArray[np.bool_],
    *,
    params: dict[str, Any] | None = None,
    names: Sequence[str] | None = None,
    seed: int = 42,
    validation: tuple[Float32Matrix, NDArray[np.bool_]] | None = None,
    threads: int = 1,
) -> TrainedModel:
    """Fit estimator ``name``.

    Args:
        name: one of :data:`cardfraud.models.parameters.ESTIMATORS`.
        features: ``[N, F]`` float32, finite, in the model's input order.
        labels: ``[N]`` booleans; true is fraud.
        params: parameters that differ from the estimator's defaults.
        names: of the F features, for parameters that name some.
        seed: seed of all random choices.
        validation: features and labels that came after the training rows, to fit the calibration
            on; None leaves the estimator's own probabilities.
        threads: threads of the fit; the result does not depend on it.

    Raises:
        InvalidFrame: arrays that do not fit together, values that are not finite, one class only.
        InvalidSetting: an unknown estimator or parameter, or a value out of range.
    """
    settings = parameters_of(name, params)
    if not 0 <= seed <= _MAX_SEED:
        raise InvalidSetting("seed", f"must lie in 0 to {_MAX_SEED}, got {seed}")
    x = feature_matrix(features)
    y = class_labels(labels, len(x))
    core = fit_core(settings, x, y, names=names, seed=seed, threads=threads)
    calibration = PlattCalibration()
    if validation is not None:
        held_out = feature_matrix(validation[0], columns=x.shape[1])
        known = class_labels(validation[1], len(held_out))
        calibration = fit_platt(core.margin(held_out), known)
    return TrainedModel(
        name=name,
        seed=seed,
        columns=x.shape[1],
        core=core,
        calibration=calibration,
        calibrated=validation is not None,
        settings=settings,
    )
