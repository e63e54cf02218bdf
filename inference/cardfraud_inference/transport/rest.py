"""REST: KServe's server with our own faces, limits, errors and access log.

The routes of KServe that load, unload and explain are left out: the first two would let anybody
who reaches the port take the model away.
"""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from kserve.constants.constants import FASTAPI_APP_IMPORT_STRING
from kserve.protocol.rest.server import RESTServer, metrics_handler
from kserve.protocol.rest.v1_endpoints import V1Endpoints
from kserve.protocol.rest.v2_endpoints import V2Endpoints
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.importer import import_from_string

from cardfraud.errors import Unavailable
from cardfraud_inference.transport.envelope import Envelope
from cardfraud_inference.transport.faces import JSON, Faces
from cardfraud_inference.transport.faults import fault_of
from cardfraud_inference.transport.http_protocol import BoundedHttp
from cardfraud_inference.transport.request import current


class RestServer(RESTServer):  # type: ignore[misc]  # kserve is untyped
    """KServe's REST server, on one address, with our routes."""

    def __init__(
        self,
        *arguments: Any,
        host: str,
        access_log: bool,
        body_timeout_s: float,
        **options: Any,
    ) -> None:
        """Take KServe's arguments, the address to listen on, and what the envelope needs."""
        super().__init__(*arguments, **options)
        self.config.host = host
        self.config.access_log = False
        self.config.http = partial(BoundedHttp, limit_s=body_timeout_s)
        self.config.ws = "none"  # nothing here speaks WebSocket
        self._faces = Faces(self.dataplane)
        self._around: dict[str, Any] = {
            "faces": self._faces,
            "access_log": access_log,
            "body_timeout_s": body_timeout_s,
        }

    async def start(self) -> None:
        """Listen until stopped.

        Raises:
            Unavailable: the port cannot be had.
        """
        try:
            await super().start()
        except SystemExit as error:  # how uvicorn says it
            address = f"{self.config.host}:{self.config.port}"
            raise Unavailable(f"REST address {address}", "it cannot be listened on") from error

    def _register_endpoints(self, app: FastAPI) -> None:
        v1, v2 = V1Endpoints(self.dataplane), V2Endpoints(self.dataplane)
        app.add_api_route("/", self.dataplane.live)
        app.add_api_route("/metrics", metrics_handler)
        app.add_api_route("/v1/models", v1.models)
        app.add_api_route("/v1/models/{model_name}", v1.model_ready)
        app.add_api_route("/v2", v2.metadata)
        app.add_api_route("/v2/health/live", v2.live)
        app.add_api_route("/v2/health/ready", v2.ready)
        app.add_api_route("/v2/models", v2.models)
        app.add_api_route("/v2/models/{model_name}", v2.model_metadata)
        app.add_api_route("/v2/models/{model_name}/ready", v2.model_ready)

    def create_application(self) -> None:
        """Set KServe's application up, and a way past it to what asks a model."""
        super().create_application()
        application = import_from_string(FASTAPI_APP_IMPORT_STRING)
        self.config.app = _Fork(application, Envelope(application, **self._around), self._faces)
        self.config.proxy_headers = False  # nothing here looks at a client's address

    def _add_middlewares(self, app: FastAPI) -> None:
        app.add_middleware(Envelope, **self._around)

    def _add_exception_handlers(self, app: FastAPI) -> None:
        # Everything else goes up to the envelope; these two have handlers that come first.
        app.add_exception_handler(HTTPException, _answer_fault)
        app.add_exception_handler(RequestValidationError, _answer_invalid)


class _Fork:
    """Leads what asks a model past FastAPI's six middlewares, 3 % of a decision's processor time.

    Every other path goes through them; the envelope stands behind them there, because the outermost
    would answer an error before it.
    """

    def __init__(self, application: ASGIApp, envelope: Envelope, faces: Faces) -> None:
        self._application, self._envelope, self._faces = application, envelope, faces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = scope["type"] == "http" and self._faces.find(scope["path"]) is not None
        await (self._envelope if known else self._application)(scope, receive, send)


async def _answer_fault(request: Request, error: Exception) -> Response:
    del request
    fault = fault_of(error, current().request_id)
    content = orjson.dumps(fault.body(current().request_id))
    return Response(content, status_code=fault.status, media_type=JSON)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    del error
    return await _answer_fault(request, HTTPException(HTTPStatus.BAD_REQUEST, "invalid request"))
