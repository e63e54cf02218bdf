import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud.evaluation.classification import average_precision
from cardfraud.evaluation.intervals import average_precision_interval, paired_intervals

Floats = NDArray[np.float64]


def _rows(seed: int = 0, rows: int = 2_000) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Labels, a scorer that knows something, and noise to add to it."""
    rng = np.random.default_rng(seed)
    y = rng.random(rows) < 0.1
    return y, 0.4 * y + 0.6 * rng.random(rows), rng.random(rows)


def test_the_estimate_is_the_average_precision_and_lies_in_its_interval() -> None:
    """Weights of one give scikit-learn's figure, ties included."""
    y, s, _ = _rows()
    s = np.round(s, 2)
    found = average_precision_interval(y, s, resamples=200)
    assert found.estimate == pytest.approx(average_precision(y, s))
    assert found.low < found.estimate < found.high


def test_the_resampled_figure_equals_the_plain_one_on_repeated_rows() -> None:
    """A resample of one group alone is the data itself: the interval has no width."""
    y, s, _ = _rows()
    found = average_precision_interval(y, s, groups=np.zeros(len(y)), resamples=50)
    assert found.low == pytest.approx(found.estimate)
    assert found.high == pytest.approx(found.estimate)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    """Draws come from the seed alone."""
    y, s, noise = _rows()
    first = paired_intervals(y, s, noise, resamples=100, seed=1)
    assert first == paired_intervals(y, s, noise, resamples=100, seed=1)
    assert first != paired_intervals(y, s, noise, resamples=100, seed=2)


def test_a_scorer_compared_with_itself_differs_by_exactly_zero() -> None:
    """Pairing means that both scorers see the same resample."""
    y, s, _ = _rows()
    gap = paired_intervals(y, s, s, resamples=100).difference
    assert (gap.estimate, gap.low, gap.high) == (0.0, 0.0, 0.0)


def test_pairing_makes_the_interval_of_the_difference_narrow() -> None:
    """Two scorers that are nearly the same differ by less than either varies."""
    y, s, noise = _rows()
    found = paired_intervals(y, s, s + 0.01 * noise, resamples=200)
    width = found.difference.high - found.difference.low
    assert width < (found.candidate.high - found.candidate.low) / 2


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Of 60 data sets drawn anew, the 80 % interval covers the large-sample value most times."""
    y, s, _ = _rows(seed=999, rows=200_000)
    truth = average_precision(y, s)
    assert truth is not None
    covered = 0
    for seed in range(60):
        y, s, _ = _rows(seed=seed, rows=600)
        found = average_precision_interval(y, s, resamples=100, level=0.8, seed=seed)
        covered += found.low <= truth <= found.high
    assert 38 <= covered <= 57


def test_drawing_cards_as_a_whole_widens_the_interval_when_rows_repeat() -> None:
    """Ten copies of each row carry no more evidence than one; only the grouped draw knows."""
    y, s, _ = _rows(rows=300)
    card = np.tile(np.arange(300), 10)
    y, s = np.tile(y, 10), np.tile(s, 10)
    rows = average_precision_interval(y, s, resamples=200)
    cards = average_precision_interval(y, s, groups=card, resamples=200)
    assert (cards.high - cards.low) > 2 * (rows.high - rows.low)


def test_bad_arguments_are_refused() -> None:
    """No fraud, no resamples, or a level outside 0 to 1 raise an error that names the argument."""
    y, s, _ = _rows(rows=50)
    with pytest.raises(InvalidFrame, match="at least one fraud"):
        average_precision_interval(np.zeros(50), s)
    with pytest.raises(InvalidSetting, match="resamples"):
        average_precision_interval(y, s, resamples=0)
    with pytest.raises(InvalidSetting, match="level"):
        average_precision_interval(y, s, level=1.0, resamples=2)
