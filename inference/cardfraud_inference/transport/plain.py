"""The plain face beside KServe's: ``POST /predict`` and ``GET /health``.

``POST /predict`` takes one row of features by name, ``{"features": {"amount": 57.16, ...}}``, every
input of the model, null where there is no value, and answers
``{"prediction": 0, "probability": 0.013, "threshold": 0.5, "model": {"name", "version"}}``.
``prediction`` is 1 from the threshold on. Features in means that nothing is read, decided or logged
here: a decision on a transaction is what the other faces are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.bundle import InputColumn
from cardfraud.contracts.scoring import InvalidInstances
from cardfraud.contracts.transactions import unknown_fields
from cardfraud.errors import InvalidField, InvalidInput

THRESHOLD: Final = 0.5
"""Where no policy says otherwise: the likelier class, as classifiers predict."""
_LARGEST: Final = float(np.finfo(np.float32).max)


class PlainModel(Protocol):
    """What a model offers to have the plain face."""

    name: str
    ready: bool

    @property
    def inputs(self) -> Sequence[InputColumn]:
        """Inputs of the model, in order."""

    @property
    def version(self) -> str:
        """Bundle digest."""

    @property
    def threshold(self) -> float:
        """Probability from which the prediction is 1."""

    async def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return [N] probabilities of [N, F] features."""


async def predict(model: PlainModel, payload: Any) -> dict[str, Any]:
    """Answer a body of ``POST /predict``.

    Raises:
        InvalidInput: the body is not of the form above.
        InvalidInstances: names every feature that is missing, unknown or no finite number.
        PredictorFailed: there is no probability in time.
    """
    row = read_row(payload, model.inputs)
    (probability,) = (await model.probabilities(row)).tolist()
    return {
        "prediction": int(probability >= model.threshold),
        "probability": probability,
        "threshold": model.threshold,
        "model": {"name": model.name, "version": model.version},
    }


def health(model: PlainModel) -> dict[str, Any]:
    """Answer ``GET /health`` of a model that is ready."""
    return {"status": "ok", "model": {"name": model.name, "version": model.version}}


def read_row(payload: Any, inputs: Sequence[InputColumn]) -> NDArray[np.float32]:
    """Return the one row of a body, [1, F] float32 in the order of the inputs.

    Raises:
        InvalidInput: the body is not of the form above.
        InvalidInstances: names every feature that is missing, unknown or no finite number.
    """
    features = payload.get("features") if isinstance(payload, dict) else None
    if not isinstance(features, dict) or len(payload) != 1:
        raise InvalidInput('the body must be {"features": {name: number or null, ...}}')
    known = {column.name for column in inputs}
    unknown = [name for name in features if name not in known]
    faults = unknown_fields(unknown, "there is no such input")
    row: list[float] = []
    for column in inputs:
        value = features.get(column.name, ...)
        if value is None:
            row.append(column.default)
        elif value is ...:
            faults.append(InvalidField(column.name, "is missing; null stands for no value"))
        elif type(value) not in {int, float} or not abs(value) <= _LARGEST:
            faults.append(InvalidField(column.name, "must be a finite number or null"))
        else:
            row.append(float(value))
    if faults:
        raise InvalidInstances(faults)
    return np.array([row], dtype=np.float32)
