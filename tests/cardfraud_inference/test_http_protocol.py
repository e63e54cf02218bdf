"""HTTP/1.1 as the servers speak it: what comes before, beside and after a body."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cardfraud.features.definitions import FEATURE_NAMES
from tests.cardfraud_inference.clients import PREDICT, instance
from tests.cardfraud_inference.conftest import Serving
from tests.support.servers import Address

OFFERS = {
    "h2c": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n",
    "websocket": "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "anything": "Upgrade: IRC/6.9\r\nX-Empty:\r\nConnection: keep-alive, Upgrade\r\n",
}


@contextmanager
def connected(address: Address) -> Iterator[socket.socket]:
    """Connect to a server's REST port."""
    with socket.create_connection(("127.0.0.1", address.http), timeout=10) as connection:
        yield connection


def request(path: str, body: bytes, more: str = "") -> bytes:
    """Return the bytes of a request."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def one_answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read one answer, and no more than that: its status and its body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, f"the connection ended after {head!r}"
        head += byte
    lines = head.lower().split(b"\r\n")
    (length,) = (int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    body = b""
    while len(body) < length:
        part = connection.recv(length - len(body))
        assert part, f"the connection ended after {body!r}"
        body += part
    return int(head.split()[1]), body


def good_body(server: str) -> bytes:
    """Return what a server's model is asked."""
    one = [1.0] * len(FEATURE_NAMES) if server == "predictor" else instance()
    return json.dumps({"instances": [one]}).encode()


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("server", ["predictor", "transformer"])
def test_an_offer_to_change_the_protocol_is_ignored(
    serving: Serving, server: str, offer: str
) -> None:
    """The request is answered in HTTP/1.1 with its body, in one piece or in many, and the next."""
    body = good_body(server)
    with connected(getattr(serving, server)) as connection:
        connection.sendall(request(PREDICT, body))
        plain = one_answer(connection)
        assert plain[0] == 200
        connection.sendall(request(PREDICT, body, OFFERS[offer]) * 2)
        assert [one_answer(connection) for _ in range(2)] == [plain] * 2
        whole = request(PREDICT, body, OFFERS[offer])
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(whole), 50):
            connection.sendall(whole[start : start + 50])
        assert one_answer(connection) == plain
        connection.sendall(request(PREDICT, body, OFFERS[offer] + "Connection: close\r\n"))
        assert one_answer(connection) == plain
        assert connection.recv(1) == b""


def test_many_offers_at_once_are_answered_one_by_one(serving: Serving) -> None:
    """A thousand offers in one piece are a thousand answers, in their order, and no fault."""
    offer = OFFERS["anything"]
    with connected(serving.transformer) as connection:
        connection.sendall(
            b"".join(request(f"/v2/none-{i}", b"", offer) for i in range(1_000))
            + request(PREDICT, good_body("transformer"), offer)
        )
        answers = [one_answer(connection)[0] for _ in range(1_001)]
    assert answers == [404] * 1_000 + [200]


def test_nobody_is_connected_through(serving: Serving) -> None:
    """CONNECT is refused and ends the connection: what follows it is not HTTP."""
    with connected(serving.transformer) as connection:
        connection.sendall(
            b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\n"
        )
        answer = b"".join(iter(lambda: connection.recv(4_096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
