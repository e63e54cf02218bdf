"""Tiny real ONNX graphs, and bundles and policies around them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Policy, Rule, Thresholds
from cardfraud.features.definitions import FEATURE_NAMES
from tests.support.bundles import bundle_files


def logistic(
    weights: Mapping[str, float],
    bias: float = 0.0,
    *,
    width: int | None = None,
    link: str = "Sigmoid",
    names: Sequence[str] = FEATURE_NAMES,
) -> bytes:
    """Return the graph of a logistic regression on the feature set.

    Args:
        weights: by feature; the others weigh nothing.
        bias: added to the weighted sum.
        width: columns of the input, in place of as many as there are features.
        names: of the inputs, in order.
        link: operator from the sum to the output; ``Identity`` gives no probabilities.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    columns = len(names) if width is None else width
    matrix = np.zeros((columns, 1), dtype=np.float32)
    for name, weight in weights.items():
        matrix[list(names).index(name)] = weight
    constants: dict[str, NDArray[Any]] = {
        "weights": matrix,
        "bias": np.array([bias], dtype=np.float32),
        "axis": np.array([1], dtype=np.int64),
    }
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["margin"]),
            helper.make_node(link, ["margin"], ["column"]),
            helper.make_node("Squeeze", ["column", "axis"], ["probability"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", columns])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N"])],
        initializer=[numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def tiny_graph() -> bytes:
    """Return a graph that depends on the request, the user's state and the merchant's."""
    weights = {"amount": 0.01, "total_transactions": 0.1, "avg_amount": -0.01}
    return logistic(weights | {"merchant_count_7d": 0.2}, bias=-3.0)


def few_inputs_graph(names: Sequence[str]) -> bytes:
    """Return the graph of a logistic regression on some of the features, in the order given."""
    weights = {"amount": 0.01, "total_transactions": 0.1, "avg_amount": -0.01}
    return logistic(weights | {"merchant_count_7d": 0.2}, bias=-5.0, names=names)


def tiny_files() -> dict[str, bytes]:
    """Return the files of a bundle around :func:`tiny_graph`."""
    return bundle_files(tiny_graph())


def tiny_policy(**changes: object) -> Policy:
    """Return a policy with one rule, on the amount."""
    rule = Rule(
        name="large_amount", field="amount", op="gt", value=5_000, decision="decline",
        reason="more than anybody spends",
    )  # fmt: skip
    fields: dict[str, object] = {
        "thresholds": Thresholds(review=0.3, decline=0.8),
        "rules": (rule,),
    }
    return Policy.model_validate(fields | changes)
