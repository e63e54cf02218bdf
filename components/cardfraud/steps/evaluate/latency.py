"""How long the graph takes for one transaction."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.evaluation.result import Result
from cardfraud.scoring.session import OnnxScorer

ROUNDS: Final = 3
_WARM_UP: Final = 50


class Latency(Result):
    """Time to score one row with the graph alone, in milliseconds: quantiles over the rows."""

    samples: int
    """Single rows that were timed, each once in every round; its quickest time counts."""
    p50_ms: float
    p99_ms: float


def time_single_rows(
    scorer: OnnxScorer, features: NDArray[np.float32], samples: int, *, seed: int = 0
) -> Latency | None:
    """Time the scoring of single rows; None for no samples.

    The rows are drawn from all of them: in time's order the first ones would be those of one day,
    and a model can be slow on others. Every round times the same rows, and of each row the
    quickest round counts: what else the machine does can only add to a time, and it is not the
    model's. A row that the model is slow for is slow in every round, so it stays in the tail.

    Args:
        scorer: the graph as it is served.
        features: ``[N, F]`` rows to draw from; more samples than rows repeat the draw.
        samples: rows to time, each :data:`ROUNDS` times.
        seed: of the draw.
    """
    if not samples:
        return None
    drawn = np.random.default_rng(seed).permutation(len(features))
    rows = [features[i][None, :] for i in np.resize(drawn, samples)]
    for row in rows[:_WARM_UP]:
        scorer.score(row)
    return over_rounds(np.array([_round(scorer, rows) for _ in range(ROUNDS)]))


def over_rounds(spent_ms: NDArray[np.float64]) -> Latency:
    """Summarise the times ``[rounds, rows]`` that the same rows took, in milliseconds."""
    quickest = spent_ms.min(axis=0)
    p50, p99 = np.quantile(quickest, [0.5, 0.99])
    return Latency(samples=len(quickest), p50_ms=float(p50), p99_ms=float(p99))


def _round(scorer: OnnxScorer, rows: list[NDArray[np.float32]]) -> list[float]:
    spent = []
    for row in rows:
        begun = time.perf_counter()
        scorer.score(row)
        spent.append((time.perf_counter() - begun) * 1000)
    return spent
