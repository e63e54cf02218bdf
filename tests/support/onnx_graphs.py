"""Small ONNX graphs with the contract's input and output."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def constant_graph(*, columns: int, probability: float = 0.5) -> bytes:
    """Return a graph that gives every row the same probability."""
    weights = numpy_helper.from_array(np.zeros((columns, 1), dtype=np.float32), "weights")
    bias = numpy_helper.from_array(np.array([probability], dtype=np.float32), "bias")
    flat = numpy_helper.from_array(np.array([-1], dtype=np.int64), "flat")
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["column"]),
            helper.make_node("Reshape", ["column", "flat"], ["probability"]),
        ],
        "constant",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", columns])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N"])],
        initializer=[weights, bias, flat],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return bytes(model.SerializeToString())
