import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from cardfraud.models.thresholds import floor32, round_forest, round_lightgbm_text
from tests.cardfraud.models.data import rows

finite64 = st.floats(
    allow_nan=False, allow_infinity=False, width=64, min_value=-1e38, max_value=1e38
)
finite32 = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(finite64)
def test_the_rounded_threshold_is_the_largest_float32_not_above(threshold: float) -> None:
    """It is a float32, not above the threshold, and the next float32 is above it."""
    rounded = floor32(np.array([threshold]))[0]
    assert rounded == np.float32(rounded)
    assert rounded <= threshold
    assert float(np.nextafter(np.float32(rounded), np.float32(np.inf))) > threshold


@given(finite64, finite32)
def test_rounding_changes_no_decision_on_float32_values(threshold: float, value: float) -> None:
    """For every float32 value the comparison comes out as before."""
    assert (value <= threshold) == (value <= floor32(np.array([threshold]))[0])


def test_rounding_to_the_nearest_would_change_a_decision() -> None:
    """The case that makes rounding down necessary: a threshold just below a float32 value."""
    value = np.float32(0.1)
    threshold = float(np.nextafter(np.float64(value), -np.inf))
    assert not float(value) <= threshold
    assert float(value) <= float(np.float32(threshold))
    assert not float(value) <= floor32(np.array([threshold]))[0]


def test_only_thresholds_change_in_the_text_of_a_model() -> None:
    """Every other line stays as it is, but for the sizes in the header, which go."""
    text = "version=v4\ntree_sizes=10 20\n\nTree=0\nthreshold=0.1 2\nleaf_value=0.1 0.2 0.3\n"
    rounded = round_lightgbm_text(text).splitlines()
    assert "tree_sizes=10 20" not in rounded
    assert "leaf_value=0.1 0.2 0.3" in rounded
    assert rounded[3] == f"threshold={float(np.nextafter(np.float32(0.1), np.float32(0)))!r} 2.0"


def test_a_tree_without_splits_is_left_alone() -> None:
    """An empty list of thresholds stays empty."""
    assert round_lightgbm_text("threshold=\n") == "threshold=\n"


def test_a_rounded_forest_has_float32_thresholds_and_scores_as_before() -> None:
    """Rounding reaches the trees themselves and moves no row, not even one on a threshold."""
    train = rows(2_000, 1)
    forest = RandomForestClassifier(n_estimators=10, max_depth=8, random_state=0)
    forest.fit(train.x, train.y)
    thresholds = _thresholds(forest)
    on_them = np.resize(train.x, (len(thresholds), train.x.shape[1]))
    on_them[:, :] = thresholds.astype(np.float32)[:, None]
    before = forest.predict_proba(on_them)
    assert (thresholds != thresholds.astype(np.float32)).any()
    round_forest(forest)
    assert (_thresholds(forest) == _thresholds(forest).astype(np.float32)).all()
    np.testing.assert_array_equal(forest.predict_proba(on_them), before)


def _thresholds(forest: RandomForestClassifier) -> NDArray[np.float64]:
    """Thresholds of all inner nodes of all trees."""
    trees = [tree.tree_ for tree in forest.estimators_]
    return np.concatenate([tree.threshold[tree.children_left >= 0] for tree in trees])
