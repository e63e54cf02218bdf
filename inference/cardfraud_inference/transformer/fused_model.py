"""The model in the transformer's own process, in place of a predictor."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.scoring.session import OnnxScorer
from cardfraud_inference.transformer.predictor_client import PredictorFailed
from cardfraud_inference.transformer.probabilities import Headers

INLINE_ROWS: Final = 256
"""Batches of more rows are scored in a thread of their own."""
MOST_ASIDE: Final = 24
"""Questions that may wait for the thread that answers what may be given up: about as many as it
answers within the time that reasons have by default, at two milliseconds each."""


class FusedModel:
    """The model in this process."""

    def __init__(self, scorer: OnnxScorer) -> None:
        """Take the session."""
        self._scorer = scorer
        self._aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")
        self._asked_aside = 0

    async def score(self, features: NDArray[np.float32], headers: Headers) -> NDArray[np.float32]:
        """Score here what takes microseconds, in a thread what would hold other requests up."""
        del headers
        if len(features) <= INLINE_ROWS:
            return self._score(features)
        return await asyncio.to_thread(self._score, features)

    async def score_aside(
        self, features: NDArray[np.float32], headers: Headers
    ) -> NDArray[np.float32]:
        """Score in a thread of its own, which is not asked for more than it can soon answer."""
        del headers
        if self._asked_aside >= MOST_ASIDE:
            raise PredictorFailed("model", "it is asked for too many reasons")
        self._asked_aside += 1
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._aside, self._score, features)
        work.add_done_callback(self._answered_aside)
        # Shielded: a thread cannot be ended, and it counts until it has.
        return await asyncio.shield(work)

    async def close(self) -> None:
        """End the thread."""
        self._aside.shutdown(wait=False, cancel_futures=True)

    def _answered_aside(self, work: asyncio.Future[NDArray[np.float32]]) -> None:
        self._asked_aside -= 1
        if not work.cancelled():
            work.exception()  # so that nobody is told of an error that nobody waited for

    def _score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            return self._scorer.score(features)
        except Exception as error:  # onnxruntime's errors share no base but Exception
            raise PredictorFailed("model", type(error).__name__) from error
