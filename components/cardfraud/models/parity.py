"""Does the exported graph give the numbers of the estimator it came from?"""

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import IntegrityError
from cardfraud.models.export import INPUT, OUTPUT
from cardfraud.models.matrix import Float32Matrix

TOLERANCE: Final = 1e-5
"""Largest difference between estimator and graph that is allowed on any row."""
_BATCH: Final = 50_000


class Scorer(Protocol):
    """Anything that gives probabilities, such as a trained model."""

    def predict_probability(self, features: Float32Matrix) -> NDArray[np.float32]:
        """Return the probability of each row, ``[N]``."""


def onnx_probability(model: bytes, features: Float32Matrix) -> NDArray[np.float32]:
    """Return the probabilities ``[N]`` that the graph gives for ``[N, F]`` features."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = 1
    session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
    parts = [
        session.run([OUTPUT], {INPUT: features[start : start + _BATCH]})[0]
        for start in range(0, len(features), _BATCH)
    ]
    return np.concatenate([np.empty(0, dtype=np.float32), *parts])


def parity(estimator: Scorer, model: bytes, features: Float32Matrix) -> float:
    """Return the largest absolute difference of both probabilities over all rows; 0 for no rows."""
    expected = estimator.predict_probability(features).astype(np.float64)
    difference = np.abs(onnx_probability(model, features) - expected)
    return float(difference.max(initial=0.0))


def require_parity(estimator: Scorer, model: bytes, features: Float32Matrix) -> float:
    """Return :func:`parity`, having refused more than :data:`TOLERANCE`.

    Raises:
        IntegrityError: estimator and graph disagree on some row.
    """
    worst = parity(estimator, model, features)
    # Written so that a difference that is not a number is refused too.
    if not worst <= TOLERANCE:
        raise IntegrityError(
            "model.onnx", f"at most {TOLERANCE} from the estimator", f"{worst:.3g}"
        )
    return worst
