"""Kept connections to Redis for packed commands, with little around a question but its bytes.

The pipeline of redis-py packs, retries, times and checks each command by itself, which takes more
processor time than sending and reading together. Its connections are used here, so that encryption,
passwords and the protocol stay its own.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from cardfraud.adapters.feature_store.settings import FeatureStoreSettings

MOST_IDLE: Final = 64
"""Connections kept while nobody uses them."""


class RedisConnections:
    """Connections to one server, used from one event loop; one question at a time on each."""

    def __init__(self, settings: FeatureStoreSettings) -> None:
        """Keep the settings; the first question connects."""
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        password = settings.redis_password
        self._pool: Any = Redis(
            host=settings.redis_host,
            port=settings.redis_port,
            db=settings.redis_db,
            password=None if password is None else password.get_secret_value(),
            ssl=settings.redis_tls,
            socket_connect_timeout=settings.connect_timeout_s,
            retry=Retry(NoBackoff(), 1),
        ).connection_pool
        self._timeout_s = settings.read_timeout_s
        self._idle: list[Any] = []

    async def ask(self, commands: bytes, replies: int) -> list[Any]:
        """Send commands in one write, and return their replies; one may be an error.

        They must be safe to send twice: a kept connection that the server has closed in the
        meantime is replaced once.

        Raises:
            RedisError: there is no connection, or it broke.
            TimeoutError: the replies did not come in time.
        """
        from redis.exceptions import ConnectionError as BrokenError

        if self._idle:
            try:
                return await self._ask(self._idle.pop(), commands, replies)
            except BrokenError:
                pass
        return await self._ask(self._pool.make_connection(), commands, replies)

    async def close(self) -> None:
        """Close the connections."""
        while self._idle:
            await self._idle.pop().disconnect()

    async def _ask(self, connection: Any, commands: bytes, replies: int) -> list[Any]:
        try:
            if not connection.is_connected:
                await connection.connect()
            # One deadline for all of it; the connection's own would be one for each step.
            async with asyncio.timeout(self._timeout_s):
                await _send(connection, commands)
                answers = [await _reply(connection) for _ in range(replies)]
        except BaseException:
            # Whatever is still to come belongs to this question; the next one must not get it.
            await connection.disconnect(nowait=True)
            raise
        if len(self._idle) < MOST_IDLE:
            self._idle.append(connection)
        else:
            await connection.disconnect()
        return answers


def command(*parts: bytes) -> bytes:
    """Pack a command (RESP, https://redis.io/docs/latest/develop/reference/protocol-spec)."""
    packed = [b"*%d\r\n" % len(parts)]
    packed += [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"".join(packed)


async def _send(connection: Any, commands: bytes) -> None:
    from redis.exceptions import ConnectionError as BrokenError

    try:
        await connection.send_packed_command(commands, check_health=False)
    except RuntimeError as error:  # how uvloop says that the other side has closed it
        raise BrokenError(str(error)) from error


async def _reply(connection: Any) -> Any:
    from redis.exceptions import ResponseError

    try:
        return await connection.read_response(disable_decoding=True, disconnect_on_error=False)
    except ResponseError as error:
        return error
