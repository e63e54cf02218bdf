import numpy as np
import pytest

from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.calibration import (
    brier_score,
    calibration_bins,
    expected_calibration_error,
)


def test_brier_score_of_certain_and_right_is_zero() -> None:
    """A scorer that is certain and right has no error; certain and wrong has an error of 1."""
    assert brier_score([1, 0], [1.0, 0.0]) == 0.0
    assert brier_score([1, 0], [0.0, 1.0]) == 1.0


def test_calibration_error_is_the_gap_weighted_by_bin_size() -> None:
    """Three rows at 0.1 without fraud and one at 0.9 that is fraud: every gap is 0.1."""
    assert expected_calibration_error([0, 0, 0, 1], [0.1, 0.1, 0.1, 0.9]) == pytest.approx(0.1)
    assert expected_calibration_error([1, 1, 1, 1], [0.1, 0.1, 0.1, 0.9]) == pytest.approx(0.7)


def test_bins_count_every_row_once_and_one_belongs_to_the_last() -> None:
    """The bins share out all rows, a probability of exactly 1 included."""
    bins = calibration_bins([0, 0, 1], [0.0, 0.5, 1.0], bins=2)
    assert [b.count for b in bins] == [1, 2]
    assert bins[1].mean_probability == pytest.approx(0.75)


def test_drawn_labels_are_well_calibrated() -> None:
    """Labels drawn with the very probabilities leave only the noise of drawing."""
    rng = np.random.default_rng(1)
    p = rng.random(50_000)
    assert expected_calibration_error(rng.random(50_000) < p, p) < 0.01


def test_no_bins_are_refused() -> None:
    """A reliability diagram needs a bin."""
    with pytest.raises(InvalidSetting, match="bins"):
        calibration_bins([0, 1], [0.1, 0.2], bins=0)
