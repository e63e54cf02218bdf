"""The model as a function: an ONNX Runtime session that trusts neither its graph nor its input."""

from __future__ import annotations

import json
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from cardfraud.contracts.bundle import MODEL_FILE, Signature
from cardfraud.errors import IntegrityError, InvalidField, InvalidFrame

Float32 = NDArray[np.float32]

FEATURE_NAMES_KEY: Final = "feature_names"
"""Metadata entry in which a graph may name its columns, a JSON list in input order."""
_FLOAT: Final = "tensor(float)"
_ERRORS_ONLY: Final = 3


class OnnxScorer:
    """Probabilities of fraud from the graph of a bundle, on one thread.

    One thread, because a row takes microseconds: more threads cost more than they give, and a
    server scales by replicas. A session may be used from several threads at once.
    """

    def __init__(self, model: bytes, signature: Signature) -> None:
        """Load the graph and compare it with the signature.

        Args:
            model: the serialised graph.
            signature: what the bundle promises about it.

        Raises:
            IntegrityError: it is no graph, or it has another input or output than promised.
        """
        self.names = tuple(column.name for column in signature.inputs)
        self._input, self._output = signature.input_name, signature.output_name
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base but Exception
            raise IntegrityError(MODEL_FILE, "an ONNX graph", str(error)) from error
        self._check_graph()

    def score(self, features: Float32) -> Float32:
        """Return the probability of fraud of each row, [N] float32.

        Args:
            features: [N, F] float32, in the signature's order, all finite.

        Raises:
            InvalidFrame: another dtype or shape.
            InvalidField: a value is not finite; names the row and the feature.
            IntegrityError: the graph gave something that is no probability.
        """
        if features.dtype != np.float32 or features.ndim != 2:
            reason = f"expected float32 [N, {len(self.names)}], got {features.dtype} "
            raise InvalidFrame(self._input, f"{reason}{list(features.shape)}")
        if features.shape[1] != len(self.names):
            raise InvalidFrame(
                self._input, f"expected {len(self.names)} columns, got {features.shape[1]}"
            )
        if not len(features):
            return np.empty(0, dtype=np.float32)
        finite = np.isfinite(features)
        if not finite.all():
            row, column = (int(position) for position in np.argwhere(~finite)[0])
            raise InvalidField(self.names[column], "must be a finite number", index=row)
        scores: Float32 = self._session.run([self._output], {self._input: features})[0]
        if scores.shape != (len(features),) or scores.dtype != np.float32:
            actual = f"{scores.dtype} {list(scores.shape)}"
            raise IntegrityError(self._output, f"float32 [{len(features)}]", actual)
        # Written so that a score that is not a number is refused too.
        if not bool(((scores >= 0) & (scores <= 1)).all()):
            raise IntegrityError(self._output, "probabilities", f"up to {scores.max()}")
        return scores

    def _check_graph(self) -> None:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        found = [(i.name, i.type, len(i.shape), i.shape[-1]) for i in inputs]
        expected = [(self._input, _FLOAT, 2, len(self.names))]
        if found != expected:
            raise IntegrityError(f"{MODEL_FILE}: inputs", str(expected), str(found))
        given = [(o.name, o.type, len(o.shape)) for o in outputs]
        promised = [(self._output, _FLOAT, 1)]
        if given != promised:
            raise IntegrityError(f"{MODEL_FILE}: outputs", str(promised), str(given))
        metadata = self._session.get_modelmeta().custom_metadata_map
        named = metadata.get(FEATURE_NAMES_KEY)
        if named is not None and json.loads(named) != list(self.names):
            raise IntegrityError(f"{MODEL_FILE}: {FEATURE_NAMES_KEY}", str(self.names), named)
