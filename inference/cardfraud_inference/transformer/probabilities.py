"""Where probabilities come from, and the predictor as one such place."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.scoring import MAX_INSTANCES
from cardfraud_inference.transformer.batching import MicroBatcher
from cardfraud_inference.transformer.deadlines import within
from cardfraud_inference.transformer.predictor_client import PredictorClient, PredictorFailed
from cardfraud_inference.transport.request import REQUEST_ID

Headers = Mapping[str, str]
Row = NDArray[np.float32]

UNDER_WAY: Final = 4
"""Calls of the predictor at the same time, before further ones are joined."""


class Probabilities(Protocol):
    """Gives the probability of fraud of rows of features."""

    async def score(self, features: NDArray[np.float32], headers: Headers) -> NDArray[np.float32]:
        """Return [N] float32 for [N, F] float32.

        Raises:
            PredictorFailed: there is no usable answer in time.
        """

    async def score_aside(
        self, features: NDArray[np.float32], headers: Headers
    ) -> NDArray[np.float32]:
        """Do the same for what may be given up, out of the way of what decides.

        Raises:
            PredictorFailed: there is no usable answer in time, or no room for the question.
        """

    async def close(self) -> None:
        """Let go of everything."""


class BatchedPredictor:
    """A predictor that is asked for the rows of several requests at once.

    A call for one request carries its headers. One for several has an id of its own, because the
    headers of one request would be wrong for the others.
    """

    def __init__(self, client: PredictorClient, timeout_s: float) -> None:
        """Take the client; ``timeout_s`` is for a request, the wait for its turn included."""
        self._client = client
        self._timeout_s = timeout_s
        self._batcher: MicroBatcher[tuple[Row, Headers], float] = MicroBatcher(
            self._call, under_way=UNDER_WAY, most=MAX_INSTANCES
        )

    async def score(self, features: NDArray[np.float32], headers: Headers) -> NDArray[np.float32]:
        """Ask, together with whoever asks at the same time."""
        try:
            async with asyncio.timeout(within(self._timeout_s, len(features))):
                scores = await self._batcher([(row, headers) for row in features])
        except TimeoutError as error:
            raise PredictorFailed("timeout", "no answer in time") from error
        return np.array(scores, dtype=np.float32)

    async def score_aside(
        self, features: NDArray[np.float32], headers: Headers
    ) -> NDArray[np.float32]:
        """Ask by itself: hundreds of rows that are given up early may not hold others up."""
        return await self._client.score(features, headers)

    async def close(self) -> None:
        """End the calls and close the connections."""
        await self._batcher.close()
        await self._client.close()

    async def _call(self, items: Sequence[tuple[Row, Headers]]) -> list[float]:
        headers = items[0][1]
        if any(other is not headers for _, other in items):
            headers = {REQUEST_ID: uuid.uuid4().hex}
        scores = await self._client.score(np.stack([row for row, _ in items]), headers)
        return [float(score) for score in scores]
