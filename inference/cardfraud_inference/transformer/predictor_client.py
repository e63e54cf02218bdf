"""The transformer's own client of the predictor: REST v2 with raw tensors over kept connections.

KServe's client takes whole seconds, discards its retries, forwards three headers and keeps 20
connections for 5 s; none of that fits a call that takes half a millisecond.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from cardfraud.errors import Unavailable
from cardfraud_inference.transformer.deadlines import within
from cardfraud_inference.transformer.http_pool import Answer, HttpPool
from cardfraud_inference.transport.tensors import JSON_LENGTH

_HTTP: Final = 80


class PredictorFailed(Unavailable):
    """The predictor gave no usable answer in time.

    Attributes:
        kind: timeout, connection, status, answer, version or, where it is fused, model; a label of
            the metric.
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
        name, _, port = host.rpartition(":")
        self._pool = HttpPool(name, int(port)) if name else HttpPool(host, _HTTP)
        self._path = f"/v2/models/{model}/infer"
        self._version = version
        self._timeout_s = timeout_s

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

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
        answer = await self._post(
            head + raw,
            {**headers, JSON_LENGTH: str(len(head))},
            within(self._timeout_s, len(features)),
        )
        try:
            json_length = int(answer.headers.get(JSON_LENGTH, len(answer.content)))
            scores = self._scores(answer.content, json_length, len(features))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise PredictorFailed("answer", f"it answers otherwise than agreed: {error}") from error
        return scores

    async def score_aside(
        self, features: NDArray[np.float32], headers: Mapping[str, str]
    ) -> NDArray[np.float32]:
        """Do the same for what may be given up; here it makes no difference."""
        return await self.score(features, headers)

    async def _post(self, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._pool.post(self._path, headers, body)
        except TimeoutError as error:
            raise PredictorFailed("timeout", "no answer in time") from error
        except OSError as error:
            raise PredictorFailed("connection", type(error).__name__) from error
        if answer.status != 200:
            raise PredictorFailed("status", f"it answered {answer.status}")
        return answer

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
