"""Kept connections to a real Redis: a reply belongs to its question, a lost one is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from cardfraud.adapters.feature_store.redis_connections import RedisConnections, command
from cardfraud_pipelines.local import Endpoints
from tests.support.feature_stores import feature_store

PING = command(b"PING")


def asked(
    endpoints: Endpoints,
    questions: Callable[[RedisConnections], Awaitable[Any]],
    **settings: Any,
) -> Any:
    """Ask over connections of their own, and close them."""

    async def ask() -> Any:
        connections = RedisConnections(
            feature_store(endpoints).settings.model_copy(update=settings)
        )
        try:
            return await questions(connections)
        finally:
            await connections.close()

    # The loop of the servers.
    return uvloop.run(ask())


def test_replies_come_in_the_order_of_the_commands(endpoints: Endpoints) -> None:
    """An error is the reply of its own command, and of no other."""

    async def questions(connections: RedisConnections) -> Any:
        commands = command(b"ECHO", b"a\r\nb") + command(b"NO SUCH") + command(b"ECHO", b"\0")
        return await connections.ask(commands, 3)

    first, second, third = asked(endpoints, questions)
    assert (first, third) == (b"a\r\nb", b"\0")
    assert isinstance(second, Exception)


def test_a_connection_that_the_server_closed_is_replaced(endpoints: Endpoints) -> None:
    """Nobody who asks notices that the kept connection has gone."""

    async def questions(connections: RedisConnections) -> Any:
        ((number,),) = [await connections.ask(command(b"CLIENT", b"ID"), 1)]
        endpoints.redis_client().client_kill_filter(_id=number)
        await asyncio.sleep(0.05)
        return number, await connections.ask(command(b"CLIENT", b"ID"), 1)

    before, (after,) = asked(endpoints, questions)
    assert after != before


def test_a_late_reply_answers_no_other_question(endpoints: Endpoints) -> None:
    """What is given up takes its connection along, with whatever still comes on it."""

    async def questions(connections: RedisConnections) -> Any:
        assert await connections.ask(PING, 1) == [b"PONG"]
        with pytest.raises(TimeoutError):
            await connections.ask(command(b"BLPOP", b"no-such-list", b"0.3"), 1)
        await asyncio.sleep(0.4)  # by now the late reply has come
        return await connections.ask(PING, 1)

    assert asked(endpoints, questions, read_timeout_s=0.1) == [b"PONG"]


def test_questions_at_the_same_time_have_connections_of_their_own(endpoints: Endpoints) -> None:
    """Each gets its own reply, and the connections are kept for the next ones."""

    async def questions(connections: RedisConnections) -> Any:
        texts = [b"%d" % number for number in range(20)]
        for _ in range(2):
            replies = await asyncio.gather(
                *(connections.ask(command(b"ECHO", text), 1) for text in texts)
            )
            assert replies == [[text] for text in texts]
        return await connections.ask(PING, 1)

    assert asked(endpoints, questions) == [b"PONG"]
