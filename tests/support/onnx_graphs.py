"""Small ONNX graphs with the contract's input and output."""

from itertools import pairwise

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper


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


def slowed(graph: bytes, *, size: int = 512, products: int = 24) -> bytes:
    """Return the same graph with work in front of its answer that changes nothing.

    Each call multiplies two matrices ``[size, size]`` so many times. They depend on the input, so
    that no optimiser can compute them once for all.
    """
    model = ModelProto.FromString(graph)
    constants = {
        "slow_mean": np.full((size, size), 1 / size, dtype=np.float32),
        "slow_nothing": np.array(0, dtype=np.float32),
    }
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
    for node in model.graph.node:
        node.output[:] = ["fast" if name == "probability" else name for name in node.output]
    chain = [f"slow_{i}" for i in range(products + 1)]
    model.graph.node.extend(
        [
            helper.make_node("ReduceSum", ["features"], ["slow_sum"], keepdims=0),
            helper.make_node("Mul", ["slow_sum", "slow_nothing"], ["slow_zero"]),
            helper.make_node("Add", ["slow_mean", "slow_zero"], [chain[0]]),
            *(
                helper.make_node("MatMul", [before, chain[0]], [after])
                for before, after in pairwise(chain)
            ),
            helper.make_node("ReduceSum", [chain[-1]], ["slow_total"], keepdims=0),
            helper.make_node("Mul", ["slow_total", "slow_nothing"], ["slow_end"]),
            helper.make_node("Add", ["fast", "slow_end"], ["probability"]),
        ]
    )
    checker.check_model(model)
    return bytes(model.SerializeToString())
