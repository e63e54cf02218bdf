from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.errors import IntegrityError, InvalidField, InvalidFrame
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.scoring.session import OnnxScorer
from tests.support.bundles import signature
from tests.support.graphs import logistic, tiny_graph

WIDTH = len(FEATURE_NAMES)


def rows(count: int) -> NDArray[np.float32]:
    """Return random rows of the right width."""
    return np.random.default_rng(1).uniform(0, 9, (count, WIDTH)).astype(np.float32)


def test_the_graph_gives_the_logistic_function_of_the_weighted_sum() -> None:
    """A known graph gives the numbers that its formula gives, in float32."""
    features = rows(50)
    scorer = OnnxScorer(logistic({"amount": 0.5}, bias=-1.0), signature())
    margin = features[:, FEATURE_NAMES.index("amount")] * 0.5 - 1.0
    scores = scorer.score(features)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-margin)), atol=1e-6)


def test_rows_are_scored_alike_alone_and_in_a_batch() -> None:
    """A row's score does not depend on its neighbours."""
    scorer, features = OnnxScorer(tiny_graph(), signature()), rows(20)
    alone = [scorer.score(features[i : i + 1])[0] for i in range(20)]
    np.testing.assert_allclose(scorer.score(features), alone, atol=1e-6)


def test_no_rows_give_no_scores() -> None:
    """An empty batch is answered with an empty array."""
    assert OnnxScorer(tiny_graph(), signature()).score(rows(0)).shape == (0,)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named(value: float) -> None:
    """The error says in which row and feature the value stands."""
    features = rows(3)
    features[2, 5] = value
    with pytest.raises(InvalidField) as caught:
        OnnxScorer(tiny_graph(), signature()).score(features)
    assert (caught.value.index, caught.value.field) == (2, FEATURE_NAMES[5])


@pytest.mark.parametrize(
    "features",
    [rows(2)[:, :-1], rows(2).astype(np.float64), rows(2)[0]],
    ids=["narrow", "float64", "flat"],
)
def test_another_shape_or_dtype_is_refused(features: NDArray[Any]) -> None:
    """Nothing is padded, cut or rounded to make it fit."""
    with pytest.raises(InvalidFrame, match="features"):
        OnnxScorer(tiny_graph(), signature()).score(features)


@pytest.mark.parametrize(
    "model",
    [b"no graph at all", logistic({}, width=WIDTH + 1)],
    ids=["bytes", "another width"],
)
def test_a_graph_that_is_not_the_signatures_is_refused(model: bytes) -> None:
    """What the bundle promises of its graph is checked before the first score."""
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        OnnxScorer(model, signature())


def test_columns_in_another_order_are_refused() -> None:
    """A graph that names its columns otherwise than the signature would score nonsense."""
    import onnx

    model = onnx.load_from_string(tiny_graph())
    names = '["' + '","'.join(reversed(FEATURE_NAMES)) + '"]'
    onnx.helper.set_model_props(model, {"feature_names": names})
    with pytest.raises(IntegrityError, match="feature_names"):
        OnnxScorer(model.SerializeToString(), signature())


@pytest.mark.parametrize("bias", [1.5, -0.5, np.nan])
def test_scores_that_are_no_probabilities_are_refused(bias: float) -> None:
    """A graph whose output leaves [0, 1], or is no number, never gets as far as a decision."""
    scorer = OnnxScorer(logistic({}, bias=bias, link="Identity"), signature())
    with pytest.raises(IntegrityError, match="probability"):
        scorer.score(rows(1))
