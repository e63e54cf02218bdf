"""The paths on which a model is asked, and what is done with the body of each.

They are answered without FastAPI's routing, which would cost more than the rest of a request. What
stands behind v1 and v2 is KServe's model: its ``preprocess``, ``predict`` and ``postprocess``, with
its histograms around them.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from kserve.errors import ModelNotFound, ModelNotReady
from kserve.protocol.dataplane import DataPlane

from cardfraud_inference.transport import plain
from cardfraud_inference.transport.documents import parse_json
from cardfraud_inference.transport.openapi import openapi_json
from cardfraud_inference.transport.tensors import JSON_LENGTH, decode_request

JSON: Final = "application/json"
_BINARY: Final = "application/octet-stream"
_PATH: Final = re.compile(
    r"/v1/models/(?P<v1>[^/]+):predict|/v2/models/(?P<v2>[^/]+)/infer"
    r"|/(?P<plain>predict|health|openapi\.json)"
)

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer."""

    content: bytes
    media_type: str = JSON
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Face:
    """One path.

    Attributes:
        protocol: v1, v2 or plain.
        method: of HTTP.
        answer: from body and headers to the reply.
    """

    protocol: str
    method: str
    answer: Callable[[bytes, Headers], Awaitable[Reply]]


class Faces:
    """REST v1 and v2 of every model, and the plain face of the one that this process is for."""

    def __init__(self, dataplane: DataPlane) -> None:
        """Take KServe's data plane, which knows the models."""
        self._registry = dataplane.model_registry
        self._found: dict[str, Face] = {}

    def find(self, path: str) -> Face | None:
        """Return what answers on a path; None where it is something else's."""
        face = self._found.get(path)
        if face is None and (matched := _PATH.fullmatch(path)) is not None:
            face = self._face(**matched.groupdict())
            if len(self._found) < 16:  # any name makes a path, and anybody can make one up
                self._found[path] = face
        return face

    def _face(self, v1: str | None, v2: str | None, plain: str | None) -> Face:
        if v1 is not None:
            return Face("v1", "POST", lambda body, headers: self._predict(v1, body, headers))
        if v2 is not None:
            return Face("v2", "POST", lambda body, headers: self._infer(v2, body, headers))
        if plain == "predict":
            return Face("plain", "POST", lambda body, _: self._plain_predict(body))
        if plain == "health":
            return Face("plain", "GET", lambda _, __: self._plain_health())
        return Face("plain", "GET", lambda _, __: self._document())

    async def _predict(self, name: str, body: bytes, headers: Headers) -> Reply:
        answer, more = await self._ready(name)(parse_json(body), headers)
        return Reply(orjson.dumps(answer), headers=more)

    async def _infer(self, name: str, body: bytes, headers: Headers) -> Reply:
        model = self._ready(name)
        request = decode_request(body, headers.get(JSON_LENGTH), name)
        response, more = await model(request, headers)
        answer, json_length = response.to_rest()
        if json_length is None:
            content = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
            return Reply(content, headers=more)
        return Reply(answer, _BINARY, {**more, JSON_LENGTH: str(json_length)})

    async def _plain_predict(self, body: bytes) -> Reply:
        model = self._ready(self._only())
        return Reply(orjson.dumps(await plain.predict(model, parse_json(body))))

    async def _plain_health(self) -> Reply:
        return Reply(orjson.dumps(plain.health(self._ready(self._only()))))

    async def _document(self) -> Reply:
        return Reply(openapi_json(self._only()))

    def _only(self) -> str:
        (name,) = self._registry.get_models()
        return str(name)

    def _ready(self, name: str) -> Any:
        model = self._registry.get_model(name)
        if model is None:
            raise ModelNotFound(name)
        if not model.ready:
            raise ModelNotReady(name)
        return model
