import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.models.thresholds import floor32, round_lightgbm_text

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
