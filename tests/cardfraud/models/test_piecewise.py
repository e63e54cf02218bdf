import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cardfraud.models.piecewise import fit_encoding

finite32 = st.floats(allow_nan=False, allow_infinity=False, width=32)


def test_a_value_is_the_share_of_each_bin_that_lies_below_it() -> None:
    """Edges 0, 1, 3: below, inside the first, inside the second, on an edge, above."""
    values = np.array([[0], [1], [3]], dtype=np.float32)
    encoding = fit_encoding(values, bins=4)
    assert encoding.lower.tolist() == [0, 1]
    asked = np.array([[-5], [0.25], [2], [1], [9]], dtype=np.float32)
    assert encoding.encode(asked).tolist() == [[0, 0], [0.25, 0], [1, 0.5], [1, 0], [1, 1]]


def test_rare_values_get_bins_of_their_own() -> None:
    """A column that is 0 in 99 of 100 rows still tells its other values apart."""
    rng = np.random.default_rng(0)
    share = np.where(rng.random(10_000) < 0.99, 0, rng.random(10_000)).astype(np.float32)
    encoding = fit_encoding(share[:, None], bins=16)
    assert (encoding.lower > 0.1).sum() >= 6
    encoded = encoding.encode(np.array([[0.2], [0.5], [0.9]], dtype=np.float32)).sum(axis=1)
    assert (np.diff(encoded) > 1).all()


@pytest.mark.parametrize("value", [0.0, 3.0, -1e30, 3e38])
def test_a_column_of_one_value_is_always_0(value: float) -> None:
    """Whatever comes later in that column, it says nothing."""
    encoding = fit_encoding(np.full((5, 1), value, dtype=np.float32), bins=8)
    top = np.finfo(np.float32).max
    later = np.array([[value], [0], [1], [top], [-top]], dtype=np.float32)
    assert encoding.encode(later).tolist() == [[0.0]] * 5


@example(np.array([2.780441e-39, 0.0], dtype=np.float32), 4)
@given(arrays(np.float32, st.integers(1, 40), elements=finite32), st.integers(4, 64))
def test_any_column_can_be_encoded(values: np.ndarray, bins: int) -> None:
    """Inputs lie in 0 to 1, rise with the value, and there are at most as many as asked for."""
    encoding = fit_encoding(values[:, None], bins)
    assert 1 <= len(encoding) <= bins
    assert np.isfinite(encoding.scale).all()
    ends = np.array([np.finfo(np.float32).min, np.finfo(np.float32).max], dtype=np.float32)
    asked = np.sort(np.concatenate([values, ends]))
    encoded = encoding.encode(asked[:, None])
    assert ((encoded >= 0) & (encoded <= 1)).all()
    assert (np.diff(encoded, axis=0) >= 0).all()
