"""What is around every REST request: its ids, the limit of its size, its errors, its log line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cardfraud.contracts.scoring import MAX_BODY_BYTES, TooLarge
from cardfraud.errors import InvalidInput
from cardfraud_inference.telemetry import metrics
from cardfraud_inference.telemetry.access_log import log_request
from cardfraud_inference.transport.faces import JSON, Face, Faces, Reply
from cardfraud_inference.transport.faults import fault_of
from cardfraud_inference.transport.request import REQUEST_ID, RequestContext, begin

DISCARDED_BYTES: Final = 16 * MAX_BODY_BYTES
"""Of a body that is too large and did not say so, so much is read and thrown away, because many
clients read no answer before they have sent everything."""

CLIENT_GONE: Final = 499
"""Status in metrics and logs of a request that its client never finished; nobody is answered."""


class TooSlow(InvalidInput):
    """The whole of a request did not come in time."""

    status = 408

    def __init__(self, seconds: float) -> None:
        """Build the message from the time that there was."""
        super().__init__(f"the body did not come within {seconds:g} s")


class MethodNotAllowed(InvalidInput):
    """The path is asked with another method.

    Attributes:
        allowed: the method that it takes.
    """

    status = 405

    def __init__(self, allowed: str) -> None:
        """Build the message from the method that is allowed."""
        self.allowed = allowed
        super().__init__(f"this path takes {allowed} only")


class ClientGoneError(Exception):
    """The client has closed the connection before the whole of its request came."""


class Envelope:
    """ASGI middleware; the innermost place that every request and every answer passes."""

    def __init__(
        self, app: ASGIApp, *, faces: Faces, access_log: bool, body_timeout_s: float
    ) -> None:
        """Wrap an application, which answers whatever the faces do not."""
        self._app = app
        self._faces = faces
        self._body_timeout_s = body_timeout_s
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
        face = self._faces.find(scope["path"])
        try:
            body = await self._whole_body(headers, receive) if scope["method"] == "POST" else b""
            if face is None:
                await self._app(scope, _again(body, receive), answer.send)
            elif scope["method"] == face.method:
                await answer.reply(await face.answer(body, headers))
            else:
                raise MethodNotAllowed(face.method)  # noqa: TRY301 (answered below)
        except (ClientGoneError, asyncio.CancelledError) as error:
            answer.status = CLIENT_GONE
            if isinstance(error, asyncio.CancelledError):
                raise
        except Exception as error:  # noqa: BLE001 (the last place that can answer; it is logged)
            await answer.fault(error)
        finally:
            self._record(scope, context, answer.status, face)

    async def _whole_body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Read the body.

        Raises:
            TooLarge: it is longer than a request may be, or says so.
            TooSlow: it takes too long.
            ClientGoneError: it never came.
        """
        declared = headers.get("content-length", "")
        # A number of more digits than Python reads at once is not worth more care.
        if declared.isdecimal() and int(declared[:20]) > MAX_BODY_BYTES:
            raise TooLarge("bytes", MAX_BODY_BYTES, int(declared[:20]))
        try:
            async with asyncio.timeout(self._body_timeout_s):
                return await _read(receive)
        except TimeoutError:
            raise TooSlow(self._body_timeout_s) from None

    def _record(
        self, scope: Scope, context: RequestContext, status: int, face: Face | None
    ) -> None:
        protocol = "other" if face is None or face.method == "GET" else face.protocol
        metrics.count_request(protocol, str(status))
        if self._access_log and protocol != "other":
            log_request(
                method=scope["method"],
                path=scope["path"][:200],
                status=status,
                milliseconds=round(context.milliseconds, 3),
                **{name.replace("-", "_"): value for name, value in context.headers.items()},
            )


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read, and then whatever comes."""
    whole: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    return replay


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

    async def reply(self, reply: Reply) -> None:
        headers = [
            (b"content-type", reply.media_type.encode()),
            (b"content-length", str(len(reply.content)).encode()),
        ]
        headers += [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        await self.send(
            {"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers}
        )
        await self.send({"type": "http.response.body", "body": reply.content})

    async def fault(self, error: Exception) -> None:
        fault = fault_of(error, self._context.request_id)
        if self._begun:  # half an answer cannot be taken back
            return
        content = orjson.dumps(fault.body(self._context.request_id))
        headers = [(b"content-type", JSON.encode())]
        headers.append((b"content-length", str(len(content)).encode()))
        if isinstance(error, MethodNotAllowed):  # RFC 9110, section 15.5.6
            headers.append((b"allow", error.allowed.encode()))
        if fault.status == HTTPStatus.REQUEST_TIMEOUT:  # the rest of the body may still come
            headers.append((b"connection", b"close"))
        start = {"type": "http.response.start", "status": fault.status, "headers": headers}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": content})


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more and size <= DISCARDED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size <= MAX_BODY_BYTES:
            parts.append(part)
    if size > MAX_BODY_BYTES:
        raise TooLarge("bytes", MAX_BODY_BYTES, size)
    return b"".join(parts)
