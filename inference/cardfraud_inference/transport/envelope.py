"""What is around every REST request: its ids, the limit of its size, its errors, its log line."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardfraud.contracts.scoring import MAX_BODY_BYTES, TooLarge
from cardfraud_inference.telemetry import metrics
from cardfraud_inference.transport.faults import fault_of
from cardfraud_inference.transport.request import REQUEST_ID, RequestContext, begin

_log = structlog.stdlib.get_logger("cardfraud_inference.access")

DISCARDED_BYTES: Final = 16 * MAX_BODY_BYTES
"""Of a body that is too large so much is read and thrown away, because many clients read no answer
before they have sent everything; a client that sends still more finds the connection closed."""


class Envelope:
    """ASGI middleware; the innermost place that every request and every answer passes."""

    def __init__(self, app: ASGIApp, *, access_log: bool) -> None:
        """Wrap an application."""
        self._app = app
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        context = begin(headers)
        answer = _Answer(send, context)
        try:
            if scope["method"] == "POST":
                receive = await _whole_body(headers, receive)
            await self._app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 (the last place that can answer; it is logged)
            await answer.fault(error)
        finally:
            self._record(scope, context, answer.status)

    def _record(self, scope: Scope, context: RequestContext, status: int) -> None:
        protocol = _protocol(scope["path"])
        metrics.REQUESTS.labels(protocol, str(status)).inc()
        if self._access_log and protocol != "other":
            _log.info(
                "request",
                method=scope["method"],
                path=scope["path"][:200],
                status=status,
                milliseconds=round(context.milliseconds, 3),
                **{name.replace("-", "_"): value for name, value in context.headers.items()},
            )


class _Answer:
    """The way out: adds the request's id, and remembers the status."""

    def __init__(self, send: Send, context: RequestContext) -> None:
        self._send, self._context = send, context
        self._begun = False
        self.status = int(HTTPStatus.INTERNAL_SERVER_ERROR)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun, self.status = True, message["status"]
            mark = (REQUEST_ID.encode(), self._context.request_id.encode())
            message["headers"] = [*message.get("headers", ()), mark]
        await self._send(message)

    async def fault(self, error: Exception) -> None:
        fault = fault_of(error, self._context.request_id)
        if self._begun:  # half an answer cannot be taken back
            return
        content = orjson.dumps(fault.body(self._context.request_id))
        headers = [(b"content-type", b"application/json")]
        headers.append((b"content-length", str(len(content)).encode()))
        start = {"type": "http.response.start", "status": fault.status, "headers": headers}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": content})


async def _whole_body(headers: Mapping[str, str], receive: Receive) -> Receive:
    """Read the body; return what gives it again.

    Raises:
        TooLarge: it is longer than a request may be.
    """
    parts: list[bytes] = []
    size, more = 0, True
    while more and size <= DISCARDED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size <= MAX_BODY_BYTES:
            parts.append(part)
    if size > MAX_BODY_BYTES:
        declared = headers.get("content-length", "")
        raise TooLarge("bytes", MAX_BODY_BYTES, int(declared) if declared.isdigit() else size)
    whole: list[Any] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    return replay


def _protocol(path: str) -> str:
    if path.endswith((":predict", "/infer")):
        return "v1" if path.startswith("/v1/") else "v2"
    return "other"
