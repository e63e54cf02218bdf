"""A fitted network: an encoding and a few dense layers, in NumPy and in ONNX, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardfraud.models.estimators import OPSET, Output
from cardfraud.models.matrix import Float32Matrix
from cardfraud.models.piecewise import PiecewiseLinearEncoding

if TYPE_CHECKING:
    from onnx import ModelProto

_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """``inputs @ weight + bias``."""

    weight: NDArray[np.float32]
    """``[inputs, outputs]``."""
    bias: NDArray[np.float32]
    """``[outputs]``."""


class NeuralNetworkCore:
    """An encoding, hidden layers that each end in a rectifier, and a last layer with one output."""

    output: Output = "margin"

    def __init__(
        self, encoding: PiecewiseLinearEncoding, layers: Sequence[DenseLayer], columns: int
    ) -> None:
        """Keep the encoding of ``columns`` features and the layers, the last one last."""
        self._encoding = encoding
        self._layers = tuple(layers)
        self._columns = columns

    def margin(self, features: Float32Matrix) -> NDArray[np.float64]:
        """Return the log-odds of each row, ``[N]``."""
        parts = [
            self._margin(features[start : start + _BATCH])
            for start in range(0, len(features), _BATCH)
        ]
        return np.concatenate([np.empty(0), *parts])

    def _margin(self, features: Float32Matrix) -> NDArray[np.float64]:
        *hidden, last = self._layers
        values = self._encoding.encode(features).astype(np.float64)
        for layer in hidden:
            values = np.maximum(values @ layer.weight + layer.bias, 0.0)
        margin: NDArray[np.float64] = (values @ last.weight + last.bias)[:, 0]
        return margin

    def to_onnx(self) -> "ModelProto":
        """Write the graph: Gather, Sub, Mul and Clip encode, then MatMul, Add and Relu by layer."""
        from onnx import TensorProto, helper, numpy_helper

        encoding = self._encoding
        constants: dict[str, NDArray[np.generic]] = {
            "column": encoding.column,
            "lower": encoding.lower,
            "scale": encoding.scale,
            "zero": np.array(0, dtype=np.float32),
            "one": np.array(1, dtype=np.float32),
        }
        nodes = [
            helper.make_node("Gather", ["features", "column"], ["binned"], axis=1),
            helper.make_node("Sub", ["binned", "lower"], ["above"]),
            helper.make_node("Mul", ["above", "scale"], ["scaled"]),
            helper.make_node("Clip", ["scaled", "zero", "one"], ["layer_0"]),
        ]
        for number, layer in enumerate(self._layers, start=1):
            weight, bias = f"weight_{number}", f"bias_{number}"
            constants |= {weight: layer.weight, bias: layer.bias}
            product, total, result = f"product_{number}", f"sum_{number}", f"layer_{number}"
            last = number == len(self._layers)
            nodes += [
                helper.make_node("MatMul", [f"layer_{number - 1}", weight], [product]),
                helper.make_node("Add", [product, bias], [result if last else total]),
            ]
            if not last:
                nodes.append(helper.make_node("Relu", [total], [result]))
        graph = helper.make_graph(
            nodes,
            "network",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", self._columns])],
            [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["N", 1])],
            initializer=[numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
