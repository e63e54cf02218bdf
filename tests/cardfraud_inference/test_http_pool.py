"""The connections to the predictor, before servers that keep them, drop them and talk nonsense.

Everything runs on uvloop, as in a server.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from cardfraud_inference.transformer.http_pool import (
    LARGEST_ANSWER,
    Answer,
    ConnectionClosedError,
    HttpPool,
)

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nX-Odd: yes\r\n\r\n"


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """Read one request and return its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = (
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    return await reader.readexactly(length)


def against(talk: Talk, ask: Callable[[HttpPool], Awaitable[None]]) -> int:
    """Run ``ask`` against a server that talks so; return the connections that it saw."""
    seen = 0

    async def run() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal seen
            seen += 1
            try:
                await talk(reader, writer, seen)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        pool = HttpPool("127.0.0.1", port)
        try:
            await ask(pool)
        finally:
            await pool.close()
            server.close()
            await server.wait_closed()

    uvloop.run(run())
    return seen


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
    """Answer every request with its own four bytes."""
    while True:
        body = await request_of(reader)
        writer.write(GOOD + body)
        await writer.drain()


def test_a_connection_is_used_again() -> None:
    """Ten requests after each other take one connection; each gets its own answer."""

    async def ask(pool: HttpPool) -> None:
        for number in range(10):
            body = f"{number:04d}".encode()
            answer = await pool.post("/", {"a": "b"}, body)
            assert answer == Answer(200, {"content-length": "4", "x-odd": "yes"}, body)

    assert against(echo, ask) == 1


def test_requests_at_once_take_a_connection_each() -> None:
    """Nobody waits for another one's answer, and nobody gets it."""

    async def ask(pool: HttpPool) -> None:
        bodies = [f"{number:04d}".encode() for number in range(20)]
        answers = await asyncio.gather(*(pool.post("/", {}, body) for body in bodies))
        assert [answer.content for answer in answers] == bodies

    assert against(echo, ask) == 20


def test_a_kept_connection_that_was_closed_costs_nothing() -> None:
    """The server closes after every answer without saying so; every request is answered."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        body = await request_of(reader)
        writer.write(GOOD + body)
        await writer.drain()

    async def ask(pool: HttpPool) -> None:
        for number in range(5):
            body = f"{number:04d}".encode()
            assert (await pool.post("/", {}, body)).content == body

    assert against(once, ask) == 5


def test_a_server_that_says_close_is_not_asked_there_again() -> None:
    """An answer with ``connection: close`` is taken, and the next request goes elsewhere."""

    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        body = await request_of(reader)
        writer.write(GOOD.replace(b"X-Odd: yes", b"connection: close") + body)
        await reader.read()

    async def ask(pool: HttpPool) -> None:
        for body in (b"0001", b"0002"):
            assert (await pool.post("/", {}, body)).content == body

    assert against(closing, ask) == 2


def test_half_an_answer_is_none_and_is_not_asked_for_again() -> None:
    """A request whose answer had begun may have been read; the second connection never comes."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        body = await request_of(reader)
        writer.write(GOOD + body)
        await request_of(reader)
        writer.write(GOOD + b"00")
        await writer.drain()

    async def ask(pool: HttpPool) -> None:
        await pool.post("/", {}, b"0001")
        with pytest.raises(ConnectionClosedError) as caught:
            await pool.post("/", {}, b"0002")
        assert not caught.value.untouched

    assert against(half, ask) == 1


def test_an_answer_that_comes_too_late_is_nobodys() -> None:
    """Whoever gives up ends the connection, so that the next request never gets the old answer."""
    late = asyncio.Event()

    async def slow_first(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        body = await request_of(reader)
        if number == 1:
            await late.wait()
        writer.write(GOOD + body)
        await writer.drain()

    async def ask(pool: HttpPool) -> None:
        first = asyncio.create_task(pool.post("/", {}, b"0001"))
        await asyncio.sleep(0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        late.set()
        assert (await pool.post("/", {}, b"0002")).content == b"0002"

    assert against(slow_first, ask) == 2


@pytest.mark.parametrize(
    "nonsense",
    [
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (LARGEST_ANSWER + 1)
        + b"x" * (LARGEST_ANSWER + 1),
    ],
    ids=["another protocol", "a wrong length", "too large"],
)
def test_what_is_no_answer_is_an_error(nonsense: bytes) -> None:
    """Another protocol, a length that is none, a body without end: an error, and no hanging."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await request_of(reader)
        writer.write(nonsense)
        await writer.drain()
        await reader.read()

    async def ask(pool: HttpPool) -> None:
        with pytest.raises(ConnectionError):
            await pool.post("/", {}, b"0001")

    assert against(talk, ask) == 1


def test_a_connection_that_ends_at_once_is_an_error() -> None:
    """Accepted and closed, again and again: an error each time, and no hanging."""

    async def slam(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: int) -> None:
        writer.transport.abort()

    async def ask(pool: HttpPool) -> None:
        for _ in range(20):
            with pytest.raises(ConnectionError):
                await pool.post("/", {}, b"0001")

    assert against(slam, ask) == 20


def test_a_line_break_in_a_header_never_goes_out() -> None:
    """It would begin a header, or a request, of somebody else's making."""

    async def ask(pool: HttpPool) -> None:
        with pytest.raises(ValueError, match="line break"):
            await pool.post("/", {"x-request-id": "a\r\nx-evil: 1"}, b"0001")

    assert against(echo, ask) == 0
