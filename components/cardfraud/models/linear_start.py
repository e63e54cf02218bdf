"""A logistic regression on a few features, which boosting starts from.

Trees move a row by steps, and what tells little about any one row gets none: a split must gain more
than chance does. Rows that no split reaches are then all alike, although a smooth trend of one
feature would order them. As a start of the margin such a trend costs one coefficient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import InvalidSetting
from cardfraud.models.matrix import Float32Matrix

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True, slots=True)
class LinearStart:
    """``margin = intercept + features[:, columns] @ coefficients``."""

    columns: tuple[int, ...]
    coefficients: tuple[float, ...]
    intercept: float

    def margin(self, features: Float32Matrix) -> NDArray[np.float64]:
        """Return the log-odds of each row, ``[N]``, of features ``[N, F]``."""
        chosen = features[:, self.columns].astype(np.float64)
        margin: NDArray[np.float64] = chosen @ np.array(self.coefficients) + self.intercept
        return margin

    def added_to(self, core: ModelProto) -> ModelProto:
        """Return a graph whose output is that of ``core``, ``[N, 1]`` margins, plus this one."""
        from onnx import ModelProto, TensorProto, helper, numpy_helper

        model = ModelProto()
        model.CopyFrom(core)
        graph = model.graph
        constants = {
            "cardfraud_start_columns": np.array(self.columns, dtype=np.int64),
            "cardfraud_start_coefficients": np.array(self.coefficients)[:, None],
            "cardfraud_start_intercept": np.float64(self.intercept),
        }
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
        )
        # In 64 bits, as above: a large value times a large coefficient has no digits to spare.
        before = graph.input[0].name
        for operator, operands, attributes in (
            ("Gather", ["cardfraud_start_columns"], {"axis": 1}),
            ("Cast", [], {"to": TensorProto.DOUBLE}),
            ("MatMul", ["cardfraud_start_coefficients"], {}),
            ("Add", ["cardfraud_start_intercept"], {}),
            ("Cast", [], {"to": TensorProto.FLOAT}),
            ("Add", [graph.output[0].name], {}),
        ):
            name = f"cardfraud_start_{len(graph.node)}"
            node = helper.make_node(operator, [before, *operands], [name], name=name)
            node.attribute.extend(
                helper.make_attribute(key, value) for key, value in attributes.items()
            )
            graph.node.append(node)
            before = name
        graph.output[0].name = before
        return model


def positions(names: Sequence[str], columns: Sequence[str] | None) -> tuple[int, ...]:
    """Return the place of each named feature among the columns of the training rows.

    Raises:
        InvalidSetting: a name occurs twice, or is none of the columns; none is, where their names
            are not given.
    """
    known = list(columns or ())
    for name in names:
        if name not in known:
            raise InvalidSetting("linear_start", f"there is no column {name!r}")
    if len(set(names)) != len(names):
        raise InvalidSetting("linear_start", "a name occurs twice")
    return tuple(known.index(name) for name in names)


def fit_linear_start(
    columns: tuple[int, ...],
    features: Float32Matrix,
    labels: NDArray[np.bool_],
    weight: NDArray[np.float64],
) -> LinearStart:
    """Fit the logistic regression of ``[N]`` labels on some columns of ``[N, F]`` features.

    The columns are standardised for the fit, so that the solver's steps and the ridge of 1 are
    well scaled whatever their units.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    scaled = scaler.fit_transform(features[:, columns].astype(np.float64))
    model = LogisticRegression(max_iter=1_000).fit(scaled, labels, sample_weight=weight)
    coefficients = model.coef_[0] / scaler.scale_
    intercept = float(model.intercept_[0] - coefficients @ scaler.mean_)
    return LinearStart(columns, tuple(map(float, coefficients)), intercept)
