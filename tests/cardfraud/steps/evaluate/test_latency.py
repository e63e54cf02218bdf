import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.scoring.session import OnnxScorer
from cardfraud.steps.evaluate.latency import ROUNDS, over_rounds, time_single_rows
from tests.support.bundles import signature
from tests.support.graphs import logistic

WIDTH = len(signature().inputs)


class Remembering(OnnxScorer):
    """A scorer that remembers the first value of every row that it scored."""

    def __init__(self) -> None:
        """Load a tiny graph."""
        super().__init__(logistic({"amount": 0.01}, bias=-4.0), signature())
        self.seen: list[float] = []

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Remember and score."""
        self.seen.extend(features[:, 0].tolist())
        return super().score(features)


def test_every_round_times_the_same_rows() -> None:
    """After the warm-up the drawn rows come again, in the same order, in each round."""
    features = np.zeros((4, WIDTH), dtype=np.float32)
    features[:, 0] = np.arange(4)
    scorer = Remembering()
    found = time_single_rows(scorer, features, 6)
    turn = scorer.seen[:6]
    assert sorted(turn[:4]) == [0, 1, 2, 3]
    assert turn[4:] == turn[:2]
    assert scorer.seen == turn * (1 + ROUNDS)
    assert found is not None
    assert found.samples == 6
    assert time_single_rows(scorer, features, 0) is None


def test_the_rows_are_drawn_from_all_of_them_by_the_seed() -> None:
    """A model that is slow on later days is not timed on the first day alone."""
    features = np.zeros((1_000, WIDTH), dtype=np.float32)
    features[:, 0] = np.arange(1_000)
    drawn = []
    for seed in (1, 1, 2):
        scorer = Remembering()
        time_single_rows(scorer, features, 100, seed=seed)
        drawn.append(scorer.seen[-100:])
    assert drawn[0] == drawn[1] != drawn[2]
    for rows in drawn:
        assert len(set(rows)) == 100
        assert 20 < sum(row >= 500 for row in rows) < 80


def test_noise_of_one_round_does_not_count_and_a_slow_row_does() -> None:
    """A row that is slow in every round is the tail, one that was disturbed once is not."""
    spent = np.full((3, 101), 1.0)
    spent[0, 7] = 50.0
    spent[:, 8:10] = 9.0
    found = over_rounds(spent)
    assert (found.samples, found.p50_ms) == (101, 1.0)
    assert found.p99_ms == pytest.approx(9.0)
    spent[:, 8:10] = 1.0
    assert over_rounds(spent).p99_ms == 1.0
