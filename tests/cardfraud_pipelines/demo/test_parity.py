import numpy as np
import pytest

from cardfraud_pipelines.demo.parity import Parity, ServedDiffersFromOffline, compare

IDS = ["a", "b", "c"]


def test_equal_scores_hold() -> None:
    """Scores within the tolerance hold."""
    parity = compare(IDS, np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.2, 0.3 + 9e-7]))

    assert parity.holds
    assert parity.worst == "c"


@pytest.mark.parametrize(
    ("served", "differing", "unserved"),
    [([0.1, 0.2, 0.3001], 1, 0), ([0.1, np.nan, 0.3], 0, 1)],
    ids=["one differs", "one has no score"],
)
def test_one_bad_row_is_enough_to_fail(served: list[float], differing: int, unserved: int) -> None:
    """A single differing or missing score breaks the promise and is counted."""
    parity = compare(IDS, np.array(served), np.array([0.1, 0.2, 0.3]))

    assert not parity.holds
    assert (parity.differing, parity.unserved) == (differing, unserved)


def test_an_offline_score_that_is_not_a_number_does_not_pass() -> None:
    """NaN is not within any tolerance."""
    parity = compare(["a"], np.array([0.1]), np.array([np.nan]))

    assert not parity.holds


def test_nothing_compared_is_not_agreement() -> None:
    """An empty comparison does not hold."""
    assert not compare([], np.empty(0), np.empty(0)).holds


def test_the_error_names_the_worst_transaction() -> None:
    """Whoever reads the error can look the transaction up."""
    error = ServedDiffersFromOffline(Parity(3, 0, 1, 0.25, "b"))

    assert "b" in error.message
    assert "1 of 3" in error.message
