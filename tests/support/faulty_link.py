"""A TCP link to a server that can be slowed, stalled, cut and mended while others use it."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self

from cardfraud_pipelines.local.ports import LOOPBACK, pick_port

_CHUNK = 65_536
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST instead of FIN (socket(7))."""


class Fault(Enum):
    """What is wrong with the link."""

    STALL = auto()
    """Connections are taken and nothing moves on any of them. What was sent arrives once the link
    is healed, late: a client that kept such a connection would read an answer to an old question.
    """
    REFUSE = auto()
    """Nobody listens, and open connections are reset."""
    CUT = auto()
    """Open connections are reset, and new ones as soon as they are made."""
    CUT_ANSWERS = auto()
    """Half of the first piece of an answer comes, then an orderly end."""


class FaultyLink:
    """A context in which ``port`` leads to a server on loopback, as long as nothing is wrong.

    It runs in a thread of its own, so that a test may block.
    """

    def __init__(self, target: int) -> None:
        """Say which port on loopback it leads to."""
        self.port = pick_port()
        self.carried = 0
        """Bytes that clients have sent and the server was given."""
        self._target = target
        self._fault: Fault | None = None
        self._delay_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty-link")
        self._moving = asyncio.Event()
        self._clients: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        self._do(self._set(None, 0.0))
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Stop listening and close every connection."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def break_(self, fault: Fault) -> None:
        """Make something wrong, from now on."""
        self._do(self._set(fault, 0.0))

    def delay(self, seconds: float) -> None:
        """Hold every piece of an answer up for so long."""
        self._do(self._set(None, seconds))

    def heal(self) -> None:
        """Let everything through again, on the same port."""
        self._do(self._set(None, 0.0))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _set(self, fault: Fault | None, delay_s: float) -> None:
        self._fault, self._delay_s = fault, delay_s
        if fault is Fault.STALL:
            self._moving.clear()
        else:
            self._moving.set()
        if fault in {Fault.REFUSE, Fault.CUT}:
            self._reset_all()
        if fault is Fault.REFUSE:
            await self._stop_listening()
        elif self._server is None:
            self._server = await asyncio.start_server(
                self._connected, LOOPBACK, self.port, reuse_address=True
            )

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _close(self) -> None:
        await self._stop_listening()
        self._moving.set()
        self._reset_all()
        own = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks(self._loop) if task is not own]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _reset_all(self) -> None:
        for client in list(self._clients):
            _reset(client)

    async def _connected(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self._clients.add(client)
        try:
            if self._fault is Fault.CUT:
                _reset(client)
                return
            await self._moving.wait()
            far_reader, far = await asyncio.open_connection(LOOPBACK, self._target)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._carry_requests(reader, far))
                    group.create_task(self._carry_answers(far_reader, client))
            finally:
                far.close()
        except* (OSError, asyncio.CancelledError):
            pass  # the server or the client went away, which is what links are here for
        finally:
            self._clients.discard(client)
            client.close()

    async def _carry_requests(
        self, reader: asyncio.StreamReader, far: asyncio.StreamWriter
    ) -> None:
        while piece := await reader.read(_CHUNK):
            await self._moving.wait()
            self.carried += len(piece)
            far.write(piece)
            await far.drain()
        with contextlib.suppress(OSError):
            far.write_eof()

    async def _carry_answers(
        self, far_reader: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        while piece := await far_reader.read(_CHUNK):
            await self._moving.wait()
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            if self._fault is Fault.CUT_ANSWERS:
                client.write(piece[: len(piece) // 2])
                break
            client.write(piece)
            await client.drain()
        client.close()


def _reset(client: asyncio.StreamWriter) -> None:
    given: socket.socket | None = client.get_extra_info("socket")
    if given is not None and given.fileno() >= 0:
        given.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    client.transport.abort()
