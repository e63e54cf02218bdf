"""How long the graph takes for one transaction."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.evaluation.result import Result
from cardfraud.scoring.session import OnnxScorer

_ROUNDS: Final = 3
_WARM_UP: Final = 50


class Latency(Result):
    """Time to score one row with the graph alone, in milliseconds."""

    samples: int
    p50_ms: float
    p99_ms: float


def time_single_rows(
    scorer: OnnxScorer, features: NDArray[np.float32], samples: int
) -> Latency | None:
    """Time the scoring of single rows; None for no samples.

    The samples are spread over a few rounds and the quietest round counts: what else the machine
    does can only add to a time, and it is not the model's.

    Args:
        scorer: the graph as it is served.
        features: ``[N, F]`` rows to take in turn.
        samples: rows to time, about as many in each round.
    """
    if not samples:
        return None
    for i in range(min(_WARM_UP, samples)):
        scorer.score(features[i % len(features)][None, :])
    numbers = np.array_split(np.arange(samples), min(_ROUNDS, samples))
    quantiles = [_round(scorer, features, each) for each in numbers]
    p50, p99 = min(quantiles, key=lambda quantile: quantile[1])
    return Latency(samples=samples, p50_ms=p50, p99_ms=p99)


def _round(
    scorer: OnnxScorer, features: NDArray[np.float32], numbers: NDArray[np.int64]
) -> tuple[float, float]:
    spent = np.empty(len(numbers))
    for place, number in enumerate(numbers):
        row = features[number % len(features)][None, :]
        begun = time.perf_counter()
        scorer.score(row)
        spent[place] = (time.perf_counter() - begun) * 1000
    p50, p99 = np.quantile(spent, [0.5, 0.99])
    return float(p50), float(p99)
