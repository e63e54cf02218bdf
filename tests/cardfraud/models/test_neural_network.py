"""What is particular to the network; needs torch."""

import copy
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from cardfraud.errors import InvalidSetting
from cardfraud.models.training import fit
from tests.cardfraud.models.data import NAMES
from tests.cardfraud.models.small import TEST, TRAIN, train


def test_the_graph_holds_standard_operators_only() -> None:
    """A server needs ONNX Runtime for it and nothing else: no torch, no custom operator."""
    graph = onnx.load_from_string(train("neural_network").to_onnx(NAMES)).graph
    operators = {node.op_type for node in graph.node}
    assert {"Gather", "Clip", "MatMul", "Relu", "Sigmoid"} <= operators
    assert {node.domain for node in graph.node} == {""}
    assert operators <= {
        "Gather", "Sub", "Mul", "Clip", "MatMul", "Add", "Relu", "Sigmoid", "Reshape",
    }  # fmt: skip


def test_the_settings_of_torch_are_left_as_they_were() -> None:
    """Threads, the choice of algorithms and the random numbers of the process stay its own."""
    torch.set_num_threads(2)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train("neural_network")
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.rand(3), expected)


def test_random_numbers_drawn_before_change_nothing() -> None:
    """The fit depends on its seed, not on what the process did with torch's or NumPy's before."""
    first = train("neural_network").to_onnx(NAMES)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 (the global state is what must not count)
    assert train("neural_network").to_onnx(NAMES) == first


def test_each_width_and_depth_has_its_layers() -> None:
    """No hidden layer is logistic regression on the encoding; three are three."""
    for hidden in ((), (4,), (8, 4, 2)):
        model = train("neural_network", params={"hidden": hidden, "epochs": 1})
        graph = onnx.load_from_string(model.to_onnx(NAMES)).graph
        assert sum(node.op_type == "MatMul" for node in graph.node) == len(hidden) + 1


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"learning_rate": 1.0, "epochs": 1, "hidden": (512, 512), "batch_size": 512}, "diverged"),
        ({"learning_rate": 0.0}, r"neural_network\.learning_rate"),
        ({"hidden": (0,)}, r"neural_network\.hidden"),
        ({"bins": 2}, r"neural_network\.bins"),
        ({"epochs": 0}, r"neural_network\.epochs"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(params: dict[str, Any], names: str) -> None:
    """A fit that runs away, like a value out of range, is an error that names what to change."""
    with pytest.raises(InvalidSetting, match=names):
        fit("neural_network", TRAIN.x, TRAIN.y, params=params)


def test_a_trained_network_does_not_hold_on_to_torch() -> None:
    """What is kept are NumPy arrays: a copy scores alike, and no tensor is among its parts."""
    model = train("neural_network")
    again = copy.deepcopy(model)
    assert np.array_equal(again.predict_probability(TEST.x), model.predict_probability(TEST.x))
    kept = [getattr(layer, part) for layer in model.core._layers for part in ("weight", "bias")]  # type: ignore[attr-defined]
    assert {type(array) for array in kept} == {np.ndarray}
    assert {array.dtype for array in kept} == {np.dtype(np.float32)}
