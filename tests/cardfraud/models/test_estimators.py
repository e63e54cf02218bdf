"""One battery of checks that every estimator must pass."""

import json
import sys
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from cardfraud.errors import IntegrityError, InvalidFrame, InvalidSetting
from cardfraud.evaluation.classification import auc_roc
from cardfraud.models.export import FEATURE_NAMES_KEY
from cardfraud.models.matrix import Float32Matrix
from cardfraud.models.parity import TOLERANCE, onnx_probability, parity, require_parity
from cardfraud.models.training import TrainedModel, fit
from tests.cardfraud.models.data import NAMES
from tests.cardfraud.models.small import TEST, TRAIN, VALIDATION, train


def test_it_learns(model: TrainedModel) -> None:
    """On rows that it has not seen it ranks frauds well above chance."""
    auc = auc_roc(TEST.y, model.predict_probability(TEST.x))
    assert auc is not None
    assert auc > 0.75


def test_the_export_gives_the_same_probabilities(model: TrainedModel) -> None:
    """The graph agrees with the model on every row, seen or not."""
    graph = model.to_onnx(NAMES)
    for x in (TRAIN.x, VALIDATION.x, TEST.x):
        assert require_parity(model, graph, x) <= TOLERANCE


def test_the_export_agrees_on_and_next_to_every_threshold(model: TrainedModel) -> None:
    """Rows that hold a tree's very threshold, or its neighbour, take the same branch in both."""
    graph = model.to_onnx(NAMES)
    x = _on_thresholds(graph)
    for towards in (np.float32(np.inf), np.float32(-np.inf)):
        assert parity(model, graph, np.nextafter(x, towards)) <= TOLERANCE
    assert parity(model, graph, x) <= TOLERANCE


def _on_thresholds(graph: bytes) -> Float32Matrix:
    """Test rows, each with one feature set to a threshold of the graph (as they are, if linear)."""
    attributes = {
        attribute.name: helper.get_attribute_value(attribute)
        for node in onnx.load_from_string(graph).graph.node
        for attribute in node.attribute
    }
    values = np.asarray(attributes.get("nodes_values", ()), dtype=np.float32)
    columns = np.asarray(attributes.get("nodes_featureids", ()), dtype=np.int64)
    x = np.resize(TEST.x, (max(len(values), 1_000), len(NAMES)))
    x[np.arange(len(values)), columns] = values
    return x


def test_the_export_agrees_on_extreme_values(model: TrainedModel) -> None:
    """Zeros, negative, tiny and very large values give finite probabilities, alike in both."""
    extremes = np.array([0.0, -1.0, 1e-30, 1e6, -1e6, 3e4, 1e9], dtype=np.float32)
    x = np.repeat(extremes[:, None], len(NAMES), axis=1)
    p = model.predict_probability(x)
    assert np.isfinite(p).all()
    assert ((p >= 0) & (p <= 1)).all()
    assert parity(model, model.to_onnx(NAMES), x) <= TOLERANCE


def test_the_same_seed_gives_the_same_bytes(name: str, model: TrainedModel) -> None:
    """A second fit with the same seed exports to identical bytes."""
    assert train(name).to_onnx(NAMES) == model.to_onnx(NAMES)


def test_the_number_of_threads_changes_nothing(name: str, model: TrainedModel) -> None:
    """Four threads, however they take turns, fit the very model that one thread fits.

    Its margins and its calibration are the same to the last bit.
    """
    threaded = train(name, threads=4)
    assert threaded.to_onnx(NAMES) == model.to_onnx(NAMES)
    assert threaded.parameters == model.parameters
    margin = model.core.margin(TEST.x)
    for _ in range(20):
        assert np.array_equal(threaded.core.margin(TEST.x), margin)


def test_the_order_of_columns_matters_and_is_kept(model: TrainedModel) -> None:
    """The graph reads columns by position: swapped columns change the scores, in both alike."""
    swapped = np.ascontiguousarray(TEST.x[:, [1, 0, 3, 2, 4]])
    graph = model.to_onnx(NAMES)
    assert np.abs(onnx_probability(graph, swapped) - onnx_probability(graph, TEST.x)).max() > 0.01
    assert parity(model, graph, swapped) <= TOLERANCE


def test_scores_do_not_depend_on_the_batch(model: TrainedModel) -> None:
    """A row alone gets the score that it gets among thousands."""
    graph = model.to_onnx(NAMES)
    alone = [onnx_probability(graph, TEST.x[i : i + 1])[0] for i in range(50)]
    assert np.abs(onnx_probability(graph, TEST.x)[:50] - alone).max() <= 1e-6


def test_the_graph_has_the_promised_face(model: TrainedModel) -> None:
    """Input ``features`` float32 [N, F], output ``probability`` float32 [N], columns by name."""
    import onnxruntime as ort

    session = ort.InferenceSession(model.to_onnx(NAMES), providers=["CPUExecutionProvider"])
    (given,), (taken,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape[1]) == ("features", "tensor(float)", len(NAMES))
    assert (taken.name, taken.type, len(taken.shape)) == ("probability", "tensor(float)", 1)
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata[FEATURE_NAMES_KEY]) == list(NAMES)


def test_no_rows_give_no_scores(model: TrainedModel) -> None:
    """An empty batch is answered with an empty array."""
    none = np.empty((0, len(NAMES)), dtype=np.float32)
    assert model.predict_probability(none).shape == (0,)
    assert parity(model, model.to_onnx(NAMES), none) == 0.0


def test_probabilities_are_float32(model: TrainedModel) -> None:
    """The model and the graph speak float32."""
    assert model.predict_probability(TEST.x).dtype == np.float32
    assert onnx_probability(model.to_onnx(NAMES), TEST.x).dtype == np.float32


def test_calibration_brings_a_weighted_model_back_to_the_observed_share(name: str) -> None:
    """Weights for rare frauds raise the probabilities; Platt calibration takes that back."""
    weighted = train(name, params={"positive_weight": "balanced"}, validation=None)
    calibrated = train(name, params={"positive_weight": "balanced"})
    share = TEST.y.mean()
    assert weighted.predict_probability(TEST.x).mean() > share + 0.1
    assert calibrated.predict_probability(TEST.x).mean() == pytest.approx(share, abs=0.02)
    assert require_parity(calibrated, calibrated.to_onnx(NAMES), TEST.x) <= TOLERANCE


def test_parameters_are_json_and_complete(name: str, model: TrainedModel) -> None:
    """The recorded parameters survive JSON and name estimator, seed and calibration."""
    recorded = json.loads(json.dumps(model.parameters))
    assert recorded["estimator"] == name
    assert recorded["seed"] == 42
    assert set(recorded["calibration"]) == {"slope", "intercept"}
    assert train(name, validation=None).parameters["calibration"] is None


@pytest.mark.parametrize(
    ("broken", "names"),
    [
        (TEST.x.astype(np.float64), "float32"),
        (TEST.x[0], "shape"),
        (TEST.x[:, :4], "5 columns"),
        (np.full((1, 5), np.nan, dtype=np.float32), "not finite"),
        (np.full((1, 5), np.inf, dtype=np.float32), "not finite"),
    ],
)
def test_features_that_were_never_promised_are_refused(
    model: TrainedModel, broken: Any, names: str
) -> None:
    """Other dtypes, shapes and values that are not finite raise an error that says so."""
    with pytest.raises(InvalidFrame, match=names):
        model.predict_probability(broken)


def test_training_rows_of_one_class_are_refused(name: str) -> None:
    """Without frauds there is nothing to fit, and calibration needs both classes too."""
    with pytest.raises(InvalidFrame, match="both classes"):
        fit(name, TRAIN.x, np.zeros(len(TRAIN.y), dtype=bool))
    with pytest.raises(InvalidFrame, match="both classes"):
        train(name, validation=(VALIDATION.x, np.ones(len(VALIDATION.y), dtype=bool)))


def test_names_must_match_the_columns(model: TrainedModel) -> None:
    """A graph with too few, or repeated, column names is not written."""
    with pytest.raises(IntegrityError, match="feature_names"):
        model.to_onnx(NAMES[:4])
    with pytest.raises(InvalidSetting, match="twice"):
        model.to_onnx(["a", "a", "b", "c", "d"])


def test_parity_is_refused_when_the_graph_is_another_model(model: TrainedModel) -> None:
    """A graph of a model with another calibration does not pass for this one."""
    other = train(model.name, validation=(VALIDATION.x, ~VALIDATION.y))
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        require_parity(model, other.to_onnx(NAMES), TEST.x)


class Shifted:
    """An estimator whose probabilities of one row lie beside those of the graph."""

    def __init__(self, graph: bytes, by: float) -> None:
        self._graph, self._by = graph, by

    def predict_probability(self, features: Float32Matrix) -> NDArray[np.float32]:
        """Return the graph's probabilities, the last one shifted."""
        probabilities = onnx_probability(self._graph, features)
        probabilities[-1] += np.float32(self._by)
        return probabilities


@pytest.mark.parametrize("by", [1e-4, -1e-4, 2e-5, float("nan")])
def test_parity_is_refused_when_one_row_is_off_by_little(model: TrainedModel, by: float) -> None:
    """The promise is 1e-5 on every row: a ten-thousandth on the last of 5,000 is too much."""
    graph = model.to_onnx(NAMES)
    with pytest.raises(IntegrityError, match=r"at most 1e-05 from the estimator"):
        require_parity(Shifted(graph, by), graph, TEST.x)
    assert require_parity(Shifted(graph, 2e-6), graph, TEST.x) < 1e-5


@pytest.mark.parametrize(
    ("estimator", "params", "names"),
    [
        ("support_vector_machine", {}, "unknown name"),
        ("random_forest", {"depth": 3}, r"random_forest\.depth"),
        ("random_forest", {"trees": 0}, r"random_forest\.trees"),
        ("gradient_boosting", {"learning_rate": float("nan")}, "learning_rate"),
    ],
)
def test_wrong_parameters_are_refused_by_name(
    estimator: str, params: dict[str, Any], names: str
) -> None:
    """An unknown estimator or parameter, or a value out of range, is named in the error."""
    with pytest.raises(InvalidSetting, match=names):
        fit(estimator, TRAIN.x, TRAIN.y, params=params)


@pytest.mark.parametrize("weight", [0, -1, 1e30, float("inf"), float("nan"), "heavy"])
def test_a_weight_that_is_none_is_refused(name: str, weight: object) -> None:
    """A fraud's weight is ``balanced`` or a positive number that leaves the rest a say."""
    with pytest.raises(InvalidSetting, match=rf"{name}\.positive_weight"):
        train(name, params={"positive_weight": weight})


def test_without_torch_the_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the estimator's need and the environment that meets it."""
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InvalidSetting, match=r"needs torch.*\.venv-deep"):
        fit("neural_network", TRAIN.x, TRAIN.y)


def test_the_defaults_of_the_forest_are_the_documented_ones() -> None:
    """One hundred trees, depth 10, at least 50 rows to split, seed 42."""
    model = fit("random_forest", TRAIN.x[:500], TRAIN.y[:500])
    recorded = model.parameters
    assert (recorded["trees"], recorded["max_depth"]) == (100, 10)
    assert (recorded["min_samples_split"], recorded["seed"]) == (50, 42)
