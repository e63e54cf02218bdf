"""A web server that answers requests of the load tool as a test wants it to."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[[int, dict[str, Any]], Awaitable[bytes | None]]
"""From the number of a request and its body to the bytes of the answer; None closes."""


def ok(document: object) -> bytes:
    """Return an answer with a JSON body."""
    return response("200 OK", json.dumps(document).encode())


def response(status: str, body: bytes) -> bytes:
    """Return an answer."""
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


@dataclass
class Web:
    """Answers on a port of its own, and keeps what it was asked.

    Attributes:
        answer: what is said to each request.
        asked: the bodies so far.
    """

    answer: Answer
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def start(self) -> tuple[asyncio.Server, int]:
        """Listen; return the server and its port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return server, server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = dict(
                    line.split(b": ", 1) for line in head.strip().lower().split(b"\r\n")[1:]
                )
                body = json.loads(await reader.readexactly(int(lines[b"content-length"])))
                self.asked.append(body)
                answer = await self.answer(len(self.asked), body)
                if answer is None:
                    return
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionResetError, asyncio.CancelledError):
            return  # the load tool has closed its connection, or the test is over
        finally:
            writer.close()
