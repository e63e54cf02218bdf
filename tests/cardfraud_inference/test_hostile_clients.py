"""Requests that no well-meaning client sends: cut off, never finished, too deep, or too long."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from cardfraud.contracts.scoring import MAX_BODY_BYTES
from cardfraud.features.definitions import FEATURE_NAMES
from tests.cardfraud_inference import clients
from tests.cardfraud_inference.clients import INFER, PREDICT, instance, metric, post, predict
from tests.cardfraud_inference.conftest import Serving
from tests.cardfraud_inference.fuzzing import PLAIN
from tests.cardfraud_inference.waiting import until
from tests.support.servers import Address

LONGEST_LINE = 10_000
LONE = b'"\\ud800"'
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextmanager
def begun(address: Address, path: str, length: int, body: bytes = b"") -> Iterator[socket.socket]:
    """Send the head of a request that announces ``length`` bytes, and ``body`` of them."""
    with socket.create_connection(("127.0.0.1", address.http), timeout=30) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: {address.host}\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode() + body)
        yield connection


def text(serving: Serving, server: str) -> str:
    """Whole lines of a server's log."""
    log = (serving.supervisor.folder / f"{server}.log").read_text()
    return log[: log.rfind("\n") + 1]


def lines_about(serving: Serving, server: str, mark: str) -> list[dict[str, str]]:
    """Lines of a server's log with a mark; the access log comes after the answer, so wait."""
    until(lambda: mark in text(serving, server))
    return [json.loads(one) for one in text(serving, server).splitlines() if mark in one]


def longest_line(serving: Serving, server: str) -> int:
    """Characters of the longest line of a server's log."""
    return max(len(line) for line in text(serving, server).splitlines())


@pytest.mark.parametrize("dimensions", [None, 700], ids=["right", "as deep"])
@pytest.mark.parametrize("server", ["predictor", "transformer"])
@pytest.mark.parametrize("bottom", ["1.0", "NaN"])
def test_lists_700_deep_are_refused(
    serving: Serving, server: str, dimensions: int | None, bottom: str
) -> None:
    """Data nested deeper than a tensor here has dimensions: 400, its name, no page of traceback."""
    inputs = clients.columns([instance()])
    if server == "predictor":
        inputs = [{"name": "features", "datatype": "FP32", "shape": [1, 1]}]
    inputs[-1] |= {"data": ["deep"]}
    if dimensions is not None:
        inputs[-1] |= {"shape": [1] * dimensions}
    body = json.dumps({"inputs": inputs}).replace('"deep"', "[" * 700 + bottom + "]" * 700)
    response = post(getattr(serving, server), INFER, body.encode())
    assert response.status_code == 400
    assert inputs[-1]["name"] in response.json()["error"]
    assert longest_line(serving, server) < LONGEST_LINE


def test_nested_rows_are_still_taken(serving: Serving) -> None:
    """The bound is the shape's own: rows may come as lists of lists or in one flat list."""
    row = [1.0] * len(FEATURE_NAMES)
    tensor = {"name": "features", "datatype": "FP32", "shape": [2, len(row)]}
    answers = [
        post(serving.predictor, INFER, {"inputs": [tensor | {"data": data}]}).json()
        for data in ([row, row], row + row)
    ]
    assert answers[0]["outputs"] == answers[1]["outputs"]


@pytest.mark.parametrize("rest", [b"1", b"NaN"])
def test_half_of_a_surrogate_pair_is_refused(serving: Serving, rest: bytes) -> None:
    """No text that cannot be written again gets in, wherever it stands; nothing is scored."""
    counted = "cardfraud_instances_total"
    before = metric(serving.transformer, counted)
    inputs = json.dumps(clients.columns([instance()])).encode()
    bodies = {
        PREDICT: b'{"instances": [{"user_id": ' + LONE + b', "amount": ' + rest + b"}]}",
        INFER: b'{"id": ' + LONE + b', "inputs": ' + inputs + b', "parameters": {"x": %s}}' % rest,
    }
    for path, body in bodies.items():
        response = post(serving.transformer, path, body)
        assert response.status_code == 400
        assert "surrogate" in response.json()["error"]
        assert response.json()["request_id"] == response.headers["x-request-id"]
    assert metric(serving.transformer, counted) == before


@pytest.mark.parametrize(
    ("number", "status"), [("1e400", 400), ("-1e400", 400), ("9" * 5_000, 400), ("1e-400", 200)]
)
def test_a_number_beyond_every_float_is_a_fault_of_its_field(
    serving: Serving, number: str, status: int
) -> None:
    """It is JSON, so that the answer names the field and does not call the body broken."""
    text = json.dumps({"instances": [instance()]}).replace("57.16", number)
    response = post(serving.transformer, PREDICT, text.encode())
    assert response.status_code == status, response.text
    if status == 400:
        assert [one["field"] for one in response.json()["details"]] == ["amount"]


def test_a_request_that_is_cut_off_is_not_scored(serving: Serving) -> None:
    """The whole JSON but not the announced length, then the end: nothing of it is used."""
    gone = 'cardfraud_requests_total{protocol="v1",status="499"}'
    scored = "cardfraud_instances_total"
    before = [metric(serving.transformer, series) for series in (gone, scored)]
    body = json.dumps({"instances": [instance(transaction_id="cut-off")]}).encode()
    with begun(serving.transformer, PREDICT, len(body) + 1, body):
        pass
    until(lambda: metric(serving.transformer, gone) == before[0] + 1)
    assert metric(serving.transformer, scored) == before[1]


@pytest.mark.parametrize("path", [PREDICT, INFER, PLAIN])
@pytest.mark.parametrize("server", ["predictor", "transformer"])
def test_a_length_above_the_limit_is_refused_at_once(
    serving: Serving, server: str, path: str
) -> None:
    """Nobody has to send a body first that will not be read."""
    with begun(getattr(serving, server), path, MAX_BODY_BYTES + 1) as connection:
        assert connection.recv(4_096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", [PREDICT, INFER, PLAIN])
@pytest.mark.parametrize("announced", [True, False])
def test_ten_megabytes_are_refused(serving: Serving, path: str, announced: bool) -> None:
    """413 for one body of 10 MB, at once or in pieces, and the next request is answered."""
    body = b"[" * 10_000_000
    pieces = (body[start : start + 100_000] for start in range(0, len(body), 100_000))
    content = body if announced else pieces
    response = httpx.post(serving.transformer.url + path, content=content, timeout=30)
    assert response.status_code == 413
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert predict(serving.transformer, instance()).status_code == 200


@pytest.mark.parametrize("path", [PREDICT, INFER, PLAIN])
def test_a_body_that_never_comes_is_not_waited_for(
    serving: Serving, impatient: Address, path: str
) -> None:
    """After the setting's time: 408, and the connection is closed."""
    del serving
    with begun(impatient, path, 100, b'{"instances": ') as connection:
        answer = b"".join(iter(lambda: connection.recv(4_096), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"request_id" in answer


def test_a_body_that_drips_is_not_waited_for(serving: Serving, impatient: Address) -> None:
    """The time is for the whole body: a byte now and then does not win more of it."""
    del serving
    with begun(impatient, PREDICT, 1_000) as connection:
        connection.settimeout(0.05)
        answer = b""
        for _ in range(400):  # 20 s if nobody ends it
            try:
                if answer := connection.recv(4_096):
                    break
            except TimeoutError:
                connection.sendall(b" ")
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("path", [PREDICT, INFER, PLAIN])
def test_others_are_answered_while_many_dawdle(serving: Serving, path: str) -> None:
    """A hundred half-sent requests hold nobody up who sends a whole one."""
    with ExitStack() as dawdlers:
        for _ in range(100):
            dawdlers.enter_context(begun(serving.transformer, path, 100, b"{"))
        assert predict(serving.transformer, instance()).status_code == 200


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000])
@pytest.mark.parametrize("path", [PREDICT, INFER, PLAIN])
def test_a_hundred_thousand_levels_are_refused(serving: Serving, path: str, deep: bytes) -> None:
    """Nesting that no parser should follow is no JSON for us, closed or not."""
    closed = deep + b"1" + (b"]" if deep[:1] == b"[" else b"}") * 100_000
    for body in (deep, closed):
        response = post(serving.transformer, path, body)
        assert response.status_code == 400
        assert "JSON" in response.json()["error"]


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({"traceparent": TRACE, "tracestate": "a=1,b=2"}, ["traceparent", "tracestate"]),
        ({"traceparent": TRACE, "tracestate": "a=" + "x" * 511}, ["traceparent"]),
        ({"traceparent": TRACE + "x" * 30_000}, []),
        ({"traceparent": "ff" + TRACE[2:]}, []),
        ({"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"}, []),
        ({"tracestate": "a=1"}, []),
        ({"x-b3-traceid": "463ac35c9f6413ad"}, ["x_b3_traceid"]),
        ({"x-b3-traceid": "4" * 30_000, "x-fraud-track": "t" * 10_000}, []),
    ],
)
def test_only_a_proper_trace_context_is_carried_on(
    serving: Serving, headers: dict[str, str], kept: list[str]
) -> None:
    """What has another form or is too long counts as absent: not logged, not sent, no error."""
    response = predict(serving.transformer, instance(), **headers)
    assert response.status_code == 200
    mark = response.headers["x-request-id"]
    for server in ("predictor", "transformer"):
        (line,) = lines_about(serving, server, mark)
        carried = {name: line[name] for name in line if name.startswith(("trace", "x_b3", "x_fr"))}
        assert carried == {name: headers[name.replace("_", "-")] for name in kept}


def test_a_name_is_not_repeated_at_any_length(serving: Serving) -> None:
    """An unknown model's name stands in the answer, but no more than a message's length of it."""
    path = PREDICT.replace("fraud", "f" * 5_000)
    response = httpx.post(serving.transformer.url + path, json={}, timeout=30)
    assert response.status_code == 404
    assert "fff" in response.json()["error"]
    assert len(response.content) < 1_000
