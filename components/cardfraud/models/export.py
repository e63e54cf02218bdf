"""One ONNX graph from raw features to a calibrated probability, the same bytes each time.

Input ``features``: float32 ``[N, F]``. Output ``probability``: float32 ``[N]``. Scaling and
calibration are inside the graph, so a server that has the file has all of the model.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from cardfraud.errors import IntegrityError, InvalidSetting
from cardfraud.models.calibration import PlattCalibration
from cardfraud.models.estimators import ML_OPSET, OPSET, PROBABILITY_FLOOR, Output

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

IR_VERSION: Final = 8
INPUT: Final = "features"
OUTPUT: Final = "probability"
FEATURE_NAMES_KEY: Final = "feature_names"
"""Key of the metadata entry with the names of the columns, a JSON list in input order."""


def assemble(
    core: "ModelProto",
    *,
    output: Output,
    calibration: PlattCalibration,
    feature_names: Sequence[str],
) -> bytes:
    """Return the serialised graph: the library's core, then log-odds, calibration, probability.

    Raises:
        InvalidSetting: a feature name occurs twice.
        IntegrityError: the core does not take as many columns as there are names.
    """
    from onnx import TensorProto, checker, helper

    names = list(feature_names)
    if len(set(names)) != len(names):
        raise InvalidSetting("feature_names", "a name occurs twice")
    columns = core.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    if columns != len(names):
        raise IntegrityError("feature_names", f"{columns} names", f"{len(names)} names")
    nodes, constants = _tail(_float_output(core, output), output, calibration)
    graph = helper.make_graph(
        [*core.graph.node, *nodes],
        "cardfraud",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", columns])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N"])],
        initializer=[*core.graph.initializer, *constants],
    )
    model = helper.make_model(
        graph,
        producer_name="cardfraud",
        producer_version="1",
        opset_imports=[
            helper.make_opsetid("", OPSET),
            helper.make_opsetid("ai.onnx.ml", ML_OPSET),
        ],
    )
    model.ir_version = IR_VERSION
    helper.set_model_props(model, {FEATURE_NAMES_KEY: json.dumps(names)})
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _float_output(core: "ModelProto", output: Output) -> str:
    """Name of the core's output that holds its scores; classifiers give the label first."""
    return str(core.graph.output[0 if output == "margin" else 1].name)


def _tail(
    name: str, output: Output, calibration: PlattCalibration
) -> tuple[list["NodeProto"], list["TensorProto"]]:
    """Nodes and constants from the core's scores to the probability."""
    from onnx import helper, numpy_helper

    constants = {
        "cardfraud_slope": np.float32(calibration.slope),
        "cardfraud_intercept": np.float32(calibration.intercept),
        "cardfraud_flat": np.array([-1], dtype=np.int64),
    }
    nodes = []

    def then(operator: str, inputs: list[str], result: str) -> str:
        nodes.append(helper.make_node(operator, inputs, [result], name=result))
        return result

    margin = name
    if output != "margin":
        constants["cardfraud_fraud"] = np.array(1, dtype=np.int64)
        # Columns are classes; the second one is fraud.
        margin = "cardfraud_column"
        nodes.append(
            helper.make_node("Gather", [name, "cardfraud_fraud"], [margin], name=margin, axis=1)
        )
    if output == "probability":
        constants["cardfraud_low"] = np.float32(PROBABILITY_FLOOR)
        constants["cardfraud_high"] = np.float32(1 - PROBABILITY_FLOOR)
        constants["cardfraud_one"] = np.float32(1)
        p = then("Clip", [margin, "cardfraud_low", "cardfraud_high"], "cardfraud_clipped")
        rest = then("Sub", ["cardfraud_one", p], "cardfraud_rest")
        margin = then("Log", [then("Div", [p, rest], "cardfraud_odds")], "cardfraud_margin")
    scaled = then("Mul", [margin, "cardfraud_slope"], "cardfraud_scaled")
    shifted = then("Add", [scaled, "cardfraud_intercept"], "cardfraud_shifted")
    then("Reshape", [then("Sigmoid", [shifted], "cardfraud_sigmoid"), "cardfraud_flat"], OUTPUT)
    tensors = [
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    ]
    return nodes, tensors
