"""The transformer's own client of the predictor: REST v2 with raw tensors over kept connections.

KServe's client takes whole seconds, discards its retries, forwards three headers and keeps 20
connections for 5 s; none of that fits a call that takes a millisecond.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import numpy as np
import orjson
from numpy.typing import NDArray

from cardfraud.errors import Unavailable
from cardfraud_inference.transport.tensors import JSON_LENGTH

_POOL: Final = 64
_ROWS_IN_TIME: Final = 100
_KEEP_ALIVE_S: Final = 60
"""Shorter than the 65 s after which the predictor closes an idle connection."""


def within(timeout_s: float, rows: int) -> float:
    """Return the time that a call for so many rows may take: proportionally more above 100."""
    return timeout_s * max(1.0, rows / _ROWS_IN_TIME)


class PredictorFailed(Unavailable):
    """The predictor gave no usable answer in time.

    Attributes:
        kind: timeout, connection, status or answer; a label of the metric.
    """

    def __init__(self, kind: str, reason: str) -> None:
        """Build the message from the kind and the reason."""
        self.kind = kind
        super().__init__("predictor", reason)


class PredictorClient:
    """Calls one predictor; made inside the event loop that uses it."""

    def __init__(self, host: str, model: str, *, timeout_s: float, version: str) -> None:
        """Open the pool; nothing is connected yet.

        Args:
            host: ``host`` or ``host:port``.
            model: name of the model.
            timeout_s: for the whole call, see :func:`within`.
            version: bundle digest that the answer must carry.
        """
        self._url = f"http://{host}/v2/models/{model}/infer"
        self._version = version
        self._timeout_s = timeout_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_POOL, keepalive_timeout=_KEEP_ALIVE_S),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def score(
        self, features: NDArray[np.float32], headers: Mapping[str, str]
    ) -> NDArray[np.float32]:
        """Return the probability of fraud of each row, [N] float32.

        Args:
            features: [N, F] float32.
            headers: to send along, such as the request's id.

        Raises:
            PredictorFailed: no answer in time, or none that can be used.
        """
        raw = np.ascontiguousarray(features, dtype="<f4").tobytes()
        tensor = {
            "name": "features",
            "datatype": "FP32",
            "shape": features.shape,
            "parameters": {"binary_data_size": len(raw)},
        }
        head = orjson.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}})
        answer, json_length = await self._post(
            head + raw,
            {**headers, JSON_LENGTH: str(len(head))},
            within(self._timeout_s, len(features)),
        )
        try:
            scores = self._scores(answer, json_length, len(features))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise PredictorFailed("answer", f"it answers otherwise than agreed: {error}") from error
        return scores

    async def _post(
        self, body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[bytes, int]:
        try:
            async with asyncio.timeout(timeout_s):
                try:
                    return await self._once(body, headers)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    # A kept connection that the predictor has closed; scoring is repeatable.
                    return await self._once(body, headers)
        except TimeoutError as error:
            raise PredictorFailed("timeout", "no answer in time") from error
        except aiohttp.ClientError as error:
            raise PredictorFailed("connection", type(error).__name__) from error

    async def _once(self, body: bytes, headers: Mapping[str, str]) -> tuple[bytes, int]:
        async with self._session.post(self._url, data=body, headers=headers) as response:
            content = await response.read()
            if response.status != 200:
                raise PredictorFailed("status", f"it answered {response.status}")
            return content, int(response.headers.get(JSON_LENGTH, len(content)))

    def _scores(self, answer: bytes, json_length: int, rows: int) -> NDArray[np.float32]:
        head: dict[str, Any] = orjson.loads(answer[:json_length])
        if head["model_version"] != self._version:
            raise PredictorFailed("version", "it serves another bundle")
        (output,) = head["outputs"]
        if output["name"] != "probability" or output["shape"] != [rows]:
            raise ValueError(f"output {output['name']!r:.40} of shape {output['shape']!r:.40}")
        scores = np.frombuffer(answer[json_length:], dtype="<f4")
        if len(scores) != rows or not bool(((scores >= 0) & (scores <= 1)).all()):
            raise ValueError("no probabilities")
        return scores
