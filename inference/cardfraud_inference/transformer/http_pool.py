"""Kept HTTP/1.1 connections to one address, with nothing around a request but its bytes.

General clients (aiohttp, httpx) take four times the processor time of such a call or more: for
redirects, cookies, encodings and hooks that a call from the transformer to its predictor has not.
The messages are read by httptools, the parser that the server on the other side uses (RFC 9112).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

import httptools

LARGEST_ANSWER: Final = 4_000_000
"""Bytes of a body that are read; far more than the scores of the largest request."""
MOST_IDLE: Final = 64
"""Connections kept while nobody uses them."""
IDLE_S: Final = 60.0
"""Shorter than the 65 s after which the predictor closes an idle connection."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class ConnectionClosedError(ConnectionError):
    """The connection ended before the whole of an answer had come.

    Attributes:
        untouched: not one byte had come, so that nothing says that the request was even read.
    """

    def __init__(self, *, untouched: bool) -> None:
        """Keep how far the answer had come."""
        self.untouched = untouched
        super().__init__("the connection was closed")


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        """Begin unconnected."""
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._touched = False
        self._begin()

    @property
    def usable(self) -> bool:
        """Whether another request may go out here."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; the future gets its answer.

        Raises:
            ConnectionClosedError: the other side has closed the connection already.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionClosedError(untouched=True)
        self._begin()
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiting

    def close(self) -> None:
        """End the connection, whatever is still to come."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this)."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read on (asyncio calls this)."""
        if self._waiting is None or self._waiting.done():
            self.close()  # bytes that nobody asked for
            return
        self._touched = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"no HTTP: {type(error).__name__}"))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell whoever waits (asyncio calls this)."""
        del error
        self._transport = None
        self._fail(ConnectionClosedError(untouched=not self._touched))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header (the parser calls this)."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body (the parser calls this)."""
        self._size += len(part)
        if self._size > LARGEST_ANSWER:
            self._fail(ConnectionError("the answer is too large"))
        else:
            self._parts.append(part)

    def on_message_complete(self) -> None:
        """Hand the answer over (the parser calls this)."""
        status = self._parser.get_status_code()
        if self._waiting is not None and not self._waiting.done() and status >= 200:
            content = b"".join(self._parts)
            self._waiting.set_result(Answer(status, self._headers, content))
        if not self._parser.should_keep_alive():
            self.close()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._size = 0
        self._touched = False

    def _fail(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
        self.close()


class HttpPool:
    """Connections to one address; made inside the event loop that uses it."""

    def __init__(self, host: str, port: int) -> None:
        """Keep the address; nothing is connected yet."""
        self._host, self._port = host, port
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and wait for its answer; whoever gives up ends the connection.

        A kept connection that the other side has closed in the meantime is noticed when the next
        request goes out; that one request is sent once more, on a new connection.

        Raises:
            OSError: no connection, or none that lasts, or an answer that is no HTTP.
        """
        request = self._head(path, headers, len(body)) + body
        kept = self._kept()
        if kept is not None:
            try:
                return await self._ask(kept, request)
            except ConnectionClosedError as error:
                if not error.untouched:
                    raise
        return await self._ask(await self._connect(), request)

    async def close(self) -> None:
        """Close every connection."""
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()

    def _kept(self) -> Connection | None:
        """Take the connection that was used last, if any still can be."""
        oldest = asyncio.get_running_loop().time() - IDLE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self._host, self._port)
        return connection

    async def _ask(self, connection: Connection, request: bytes) -> Answer:
        self._busy.add(connection)
        try:
            answer = await connection.ask(request)
        except BaseException:
            connection.close()
            raise
        finally:
            self._busy.discard(connection)
        if connection.usable and len(self._idle) < MOST_IDLE:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _head(self, path: str, headers: Mapping[str, str], length: int) -> bytes:
        lines = [f"POST {path} HTTP/1.1", f"host: {self._host}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"content-length: {length}", "", ""]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header holds a line break")
        return "\r\n".join(lines).encode("latin-1")
