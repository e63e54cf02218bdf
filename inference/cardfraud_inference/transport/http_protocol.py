"""HTTP/1.1 as uvicorn speaks it, made proof against what it leaves open.

A request may offer to go over to another protocol, as Java's client does on every connection that
it opens, and a server may ignore that (RFC 9110, section 7.8). httptools gives up on the body of
such a request, so that its head is read again without the offer.

uvicorn limits the time between two requests only, and each byte ends that limit. Here a connection
without a request, the head of a request, what is left of a body after its answer, and an answer
that nobody reads have one each; the limit of the body itself is the envelope's.

Nor does it limit the bytes of a head, which httptools puts together piece by piece in time that
grows with their square. The same goes for what may stand beside a body: extensions of its chunks,
and trailers.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from cardfraud_inference.telemetry import metrics
from cardfraud_inference.transport.faces import JSON
from cardfraud_inference.transport.faults import Fault
from cardfraud_inference.transport.request import REQUEST_ID, begin

MAX_HEAD_BYTES: Final = 65_536
"""Of the target, and of names and values with four bytes for each header."""

_OFFER: Final = b"upgrade"
_MALFORMED: Final = "this is not HTTP/1.1"
_TOO_LARGE: Final = f"the head is too large, at most {MAX_HEAD_BYTES} bytes are allowed"


class _HeadTooLargeError(Exception):
    """Goes through the parser, which makes it the context of an error of its own."""


class _At(Enum):
    """Where in a request the last byte was."""

    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()


# What follows runs several times a request; reaching through the class, or for super(), costs more
# than what is done.
_BETWEEN, _HEAD, _BODY = _At
_Http = HttpToolsProtocol


class BoundedHttp(HttpToolsProtocol):
    """One connection of a client."""

    _again: list[bytes] | None = None
    """Head of the request that makes an offer, without it."""
    _at = _BETWEEN
    _piece = 0
    """Bytes that came last."""
    _idle = 0
    """Bytes since the last end of a head, end of a body, or part of a body."""
    _limit: asyncio.TimerHandle | None = None
    """Ends the connection if a head, or the rest of a body, does not come."""
    _unread: asyncio.TimerHandle | None = None
    """Breaks it off if an answer is not read."""

    def __init__(self, *arguments: Any, limit_s: float, **options: Any) -> None:
        """Take uvicorn's arguments, and the seconds that a client has for each part."""
        super().__init__(*arguments, **options)
        self._limit_s = limit_s

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait_for_a_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._lift_limit()
        self._lift_unread()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._unset_keepalive_if_required()
        self._piece = len(data)
        self._idle += self._piece
        rest: bytes | memoryview = data
        try:
            while True:
                try:
                    self.parser.feed_data(rest)
                    break
                except httptools.HttpParserUpgrade as offer:
                    rest = memoryview(rest)[offer.args[0] :]
                    self._begin_again()
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _HeadTooLargeError):
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _TOO_LARGE)
            else:
                self._refuse(HTTPStatus.BAD_REQUEST, _MALFORMED)
            return
        if self._idle > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _TOO_LARGE)
        elif self._at is _HEAD:
            self._set_limit()
        elif self._at is _BETWEEN and self._answered():  # blank lines, or the end of a body
            self._wait_for_a_request()

    def on_message_begin(self) -> None:
        """Note the first byte of a request."""
        self._at = _HEAD
        _Http.on_message_begin(self)

    def on_headers_complete(self) -> None:
        """Answer the request, unless it makes an offer and is to be read again without it."""
        if self._idle > MAX_HEAD_BYTES or self._piece > MAX_HEAD_BYTES:  # or they are of a body
            sizes = (len(name) + len(value) + 4 for name, value in self.headers)
            if len(self.url) + sum(sizes) > MAX_HEAD_BYTES:
                raise _HeadTooLargeError
        self._idle = 0
        if not self.parser.should_upgrade():
            self._at = _BODY
            if self._limit is not None:
                self._lift_limit()
            _Http.on_headers_complete(self)
            return
        version = self.parser.get_http_version().encode()
        again = [self.parser.get_method(), b" ", self.url, b" HTTP/", version, b"\r\n"]
        for name, value in self.headers:
            if name != _OFFER:
                again += (name, b": ", value, b"\r\n")
        self._again = [*again, b"\r\n"]

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._idle = 0
        _Http.on_body(self, body)

    def on_message_complete(self) -> None:
        """Note the end of the body; a head that is read again has none yet."""
        self._idle = 0
        if self._again is None:
            self._at = _BETWEEN
            if self._limit is not None:
                self._lift_limit()
            _Http.on_message_complete(self)

    def on_response_complete(self) -> None:
        """Wait for the next request, or not too long for the rest of a body that nobody needs."""
        _Http.on_response_complete(self)
        if self.transport.is_closing():
            self._end()
        elif self._at is _BODY and self._answered():
            self._set_limit()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection without a request."""
        self._end()

    def pause_writing(self) -> None:
        """Note that the client does not read as fast as it asks."""
        super().pause_writing()
        self._let_it_read()

    def resume_writing(self) -> None:
        """Note that it has read."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._lift_unread()

    def _begin_again(self) -> None:
        """Read a head without its offer; what follows is the body.

        Raises:
            HttpParserError: it is CONNECT, which is an offer by itself and nothing that is done.
        """
        head, self._again = self._again, None
        if head is None or head[0] == b"CONNECT":
            raise httptools.HttpParserInvalidMethodError(_MALFORMED)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.parser.feed_data(b"".join(head))

    def _answered(self) -> bool:
        # uvicorn begins with no cycle, whatever its annotation says.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _wait_for_a_request(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _set_limit(self) -> None:
        if self._limit is None:
            self._limit = self.loop.call_later(self._limit_s, self._late)

    def _lift_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _let_it_read(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(self._limit_s, self._break_off)

    def _lift_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _late(self) -> None:
        self._limit = None
        if not self._answered():  # the client waits for us, too, and we may not have read on
            self._set_limit()
        elif self._at is _HEAD:
            late = f"the head did not come within {self._limit_s:g} s"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, late)
        else:
            metrics.CONNECTIONS_ENDED.labels("body").inc()
            self._end()

    def _break_off(self) -> None:
        metrics.CONNECTIONS_ENDED.labels("unread").inc()
        self.transport.abort()

    def _end(self) -> None:
        """Close the connection, and break it off if the client does not take what it was sent."""
        self.transport.close()
        self._let_it_read()

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """End the connection, and say why where no answer is owed to an earlier request."""
        metrics.count_request("other", str(status.value))
        if self._answered() if self._at is not _BODY else self._unanswered_alone():
            request_id = begin({}).request_id
            content = orjson.dumps(Fault(status, message).body(request_id))
            self.transport.write(
                STATUS_LINE[status]
                + f"content-type: {JSON}\r\ncontent-length: {len(content)}\r\n"
                f"{REQUEST_ID}: {request_id}\r\nconnection: close\r\n\r\n".encode()
                + content
            )
        self._end()

    def _unanswered_alone(self) -> bool:
        """Whether what goes out next answers the request whose body is being read."""
        return not self.pipeline and not self.cycle.response_started
