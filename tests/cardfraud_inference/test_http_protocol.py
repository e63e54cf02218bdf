"""HTTP/1.1 as the servers speak it: what comes before, beside and after a body."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from cardfraud.features.definitions import FEATURE_NAMES
from tests.cardfraud_inference.clients import PREDICT, instance, metric
from tests.cardfraud_inference.conftest import Serving
from tests.cardfraud_inference.waiting import until
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


def ended(connection: socket.socket, piece: bytes = b"") -> bytes:
    """Send a piece ten times a second until the server ends the connection; return what it said.

    Without a piece, only wait.
    """
    said = b""
    connection.settimeout(0.1)
    for _ in range(150):  # 15 s if nobody ends it
        try:
            part = connection.recv(65_536)
        except TimeoutError:
            with suppress(ConnectionError):
                connection.sendall(piece)
            continue
        except ConnectionError:
            return said
        if not part:
            return said
        said += part
    pytest.fail(f"the connection is still open after {said[:100]!r}")


LONG = "HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n"
HELD: dict[str, tuple[bytes, bytes, bytes]] = {
    "nothing": (b"", b"", b""),
    "blank lines": (b"\r\n", b"", b""),
    "half a request line": (b"POST /predict HT", b"", b" 408 "),
    "half a header": (b"POST /predict HTTP/1.1\r\nX-A: ", b"a", b" 408 "),
    "header after header": (b"GET /health HTTP/1.1\r\n", b"a:b\r\n", b" 408 "),
    "too long a body": (b"POST /predict " + LONG.format(2_000_000_000).encode(), b"z", b" 413 "),
    "a method that is not": (b"PUT /predict " + LONG.format(1_000).encode(), b"z", b" 405 "),
    "a body of no use": (b"GET /health " + LONG.format(1_000).encode(), b"z", b" 200 "),
    "no path": (b"GET /nope " + LONG.format(1_000).encode(), b"", b" 404 "),
    "half of a second request": (b"GET /health HTTP/1.1\r\n\r\nGET /hea", b"", b" 200 "),
    "no second request": (b"GET /health HTTP/1.1\r\n\r\n", b"", b" 200 "),
    "the end of a body of no use": (b"GET /health " + LONG.format(2).encode(), b"zz", b" 200 "),
}
"""What a client sends at once, what it sends again and again, and the status that it is told."""


@pytest.mark.parametrize("case", HELD)
def test_no_client_holds_a_connection(impatient: Address, case: str) -> None:
    """Whatever it leaves out or drips, before a request or after an answer, it is ended."""
    first, piece, status = HELD[case]
    with connected(impatient) as connection:
        connection.sendall(first)
        if case.startswith("the end"):
            assert one_answer(connection)[0] == 200
            connection.sendall(piece)
            assert ended(connection) == b""
            return
        said = ended(connection, piece)
    assert said.startswith(b"HTTP/1.1" + status if status else b"")
    assert bool(said) == bool(status)
    if status == b" 408 ":
        assert json.loads(said.partition(b"\r\n\r\n")[2])["request_id"]


def test_who_does_not_read_is_hung_up_on(impatient: Address) -> None:
    """Answers that nobody takes are not kept: the connection is broken off, and counted."""
    unread = 'cardfraud_connections_ended_total{reason="unread"}'
    before = metric(impatient, unread)
    asked = memoryview(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(("127.0.0.1", impatient.http))
        connection.setblocking(False)

        def counted() -> bool:
            nonlocal asked
            with suppress(BlockingIOError, ConnectionError):
                asked = asked[connection.send(asked) :]
            return metric(impatient, unread) == before + 1

        until(counted)
    assert metric(impatient, 'cardfraud_requests_total{protocol="other",status="200"}') < 9_000


def test_who_reads_late_loses_nothing(impatient: Address) -> None:
    """An answer that waits in the network is read after longer than the limit."""
    with connected(impatient) as connection:
        connection.sendall(request(PREDICT, good_body("predictor")))
        time.sleep(0.8)
        assert one_answer(connection)[0] == 200


CHUNKED = b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /health HTTP/1.1\r\nX-A: " + "a" * 60_000, b"200"),
        ("GET /health HTTP/1.1\r\nX-A: " + "a" * 66_000, b"431"),
        ("GET /health HTTP/1.1\r\nUpgrade: b\r\nConnection: upgrade\r\nX: " + "a" * 66_000, b"431"),
        ("GET /health HTTP/1.1" + "\r\nX-A: b" * 9_000, b"431"),
        ("GET /health?a=" + "b" * 66_000 + " HTTP/1.1", b"431"),
    ],
    ids=["as large as may be", "one header", "one with an offer", "many headers", "the path"],
)
def test_a_head_may_be_64_kib(serving: Serving, head: str, status: bytes) -> None:
    """A larger one is refused with a body of ours, and the connection closed."""
    with connected(serving.transformer) as connection:
        connection.sendall(head.encode() + b"\r\nConnection: close\r\n\r\n")
        said = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert said.split()[1] == status
    assert status == b"200" or json.loads(said.partition(b"\r\n\r\n")[2])["request_id"]


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"POST /predict HTTP/1.1\r\nX-A: ", b"a"),
        (b"POST /predict HTTP/1.1\r\n", b"X-A: b\r\n"),
        (b"GET /", b"a"),
        (b"", b"\r\n"),
        (CHUNKED + b"1;", b"a"),
        (CHUNKED + b"1\r\n{\r\n0\r\nX-A: ", b"a"),
    ],
    ids=["a header", "headers", "a path", "blank lines", "a chunk's extension", "a trailer"],
)
def test_nothing_without_an_end_is_read(serving: Serving, first: bytes, more: bytes) -> None:
    """What is no body is cut off long before it could fill the memory or hold others up."""
    refused = 'cardfraud_requests_total{protocol="other",status="431"}'
    before = metric(serving.transformer, refused)
    flood = first + more * (20_000_000 // len(more))
    with connected(serving.transformer) as connection, pytest.raises(ConnectionError):
        connection.sendall(flood)
    assert metric(serving.transformer, refused) == before + 1


def test_the_limit_of_a_head_is_not_one_of_its_body(serving: Serving) -> None:
    """Large bodies, bodies of tiny chunks, and requests right behind them are answered."""
    body = good_body("transformer").ljust(200_000)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    with connected(serving.transformer) as connection:
        connection.sendall(request(PREDICT, body) * 3)
        assert [one_answer(connection)[0] for _ in range(3)] == [200] * 3
        connection.sendall(CHUNKED.replace(b"/predict", PREDICT.encode()) + chunks)
        connection.sendall(request(PREDICT, body))
        assert [one_answer(connection)[0] for _ in range(2)] == [200] * 2
