import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud.evaluation.classification import average_precision
from cardfraud.evaluation.importance import (
    Importance,
    permutation_importance,
    redundant_groups,
)

ROWS = 8_000
NAMES = ("strong", "weak", "unused", "copy", "constant")
Floats32 = NDArray[np.float32]


def _rows(share: float = 0.02) -> tuple[Floats32, NDArray[np.bool_]]:
    """A strong and a weak signal, noise, a copy of the strong signal turned round, a constant."""
    random = np.random.default_rng(0)
    labels = random.random(ROWS) < share
    strong = random.normal(size=ROWS) + 3 * labels
    weak = random.normal(size=ROWS) + labels
    columns = [strong, weak, random.normal(size=ROWS), -2 * strong, np.ones(ROWS)]
    return np.stack(columns, axis=1).astype(np.float32), labels


def _score(features: Floats32) -> Floats32:
    half = features[:, 0] - features[:, 3] / 2
    return (1 / (1 + np.exp(-(1.5 * half + features[:, 1] - 8)))).astype(np.float32)


def _measure(seed: int = 0, rows: int = 2_000) -> Importance:
    features, labels = _rows()
    return permutation_importance(_score, features, labels, NAMES, rows=rows, seed=seed)


def test_groups_come_in_the_order_of_what_they_are_worth() -> None:
    """The strong signal leads, the weak one follows, what is not used is worth exactly nothing."""
    found = _measure()
    assert [group.features for group in found.groups][:2] == [("strong", "copy"), ("weak",)]
    assert found.groups[0].drop > 5 * found.groups[1].drop > 0
    rest = {group.features: (group.low, group.high) for group in found.groups[2:]}
    assert rest == {("unused",): (0.0, 0.0), ("constant",): (0.0, 0.0)}


def test_a_copy_does_not_hide_what_a_signal_is_worth() -> None:
    """Permuted with its copy, the strong signal costs most of what there is to lose."""
    found = _measure()
    share_of_frauds = 0.02
    assert found.groups[0].drop > 0.8 * (found.average_precision - share_of_frauds)


def test_the_sample_stands_for_all_rows() -> None:
    """With a quarter of frauds in the sample the weighted figure is still that of all rows."""
    features, labels = _rows()
    found = _measure(rows=600)
    assert (found.rows, found.frauds) == (600, 150)
    whole = average_precision(labels, _score(features))
    assert found.average_precision == pytest.approx(whole, abs=0.06)


def test_the_same_seed_gives_the_same_importance() -> None:
    """Sample and permutations come from the seed alone."""
    assert _measure(seed=1) == _measure(seed=1)
    assert _measure(seed=1) != _measure(seed=2)


def test_columns_that_rank_alike_are_one_group() -> None:
    """Rank correlation, not the scale or the sign, makes columns redundant."""
    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 500))
    columns = [one, other, np.exp(one), np.zeros(500), -other + 0.01 * one]
    features = np.stack(columns, axis=1).astype(np.float32)
    assert redundant_groups(features) == [[0, 2], [1, 4], [3]]
    assert redundant_groups(features[:, :1]) == [[0]]
    assert redundant_groups(features[:, :0]) == []


def test_what_cannot_be_measured_is_refused() -> None:
    """One class, names that do not fit, no repetitions."""
    features, labels = _rows()
    with pytest.raises(InvalidFrame, match="both classes"):
        permutation_importance(_score, features, np.zeros(ROWS, bool), NAMES)
    with pytest.raises(InvalidFrame, match="features"):
        permutation_importance(_score, features, labels, NAMES[:2])
    with pytest.raises(InvalidSetting, match="repeats"):
        permutation_importance(_score, features, labels, NAMES, repeats=0)
