"""Good requests gone wrong, a connection to send them on, and what an answer must be."""

import http.client
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from jsonschema import Draft202012Validator

from cardfraud.contracts.openapi import openapi_document
from cardfraud.features.definitions import FEATURE_NAMES
from tests.cardfraud_inference import clients
from tests.cardfraud_inference.clients import INFER, PREDICT, instance
from tests.support.servers import Address

PLAIN = "/predict"
TEMPLATES = {
    PREDICT: "/v1/models/{model}:predict",
    INFER: "/v2/models/{model}/infer",
    PLAIN: "/predict",
}
"""Paths of the document by the path of the model under test."""
REFUSALS = frozenset({400, 404, 405, 408, 413})
"""Statuses that are the client's fault; with every part up there is no other but 200."""
CONTENT_TYPES = (
    "application/json",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; charset=utf-7",
    "application/json; charset=utf-16",
    "",
    "x" * 2_000,
)
_TOKENS = (
    b"null", b"true", b"{}", b"[]", b'""', b"-0", b"1e999", b"-1e999", b"NaN", b"Infinity",
    b"9" * 400, b"0.1e-400", b'"\\ud800"', b'"\\u0000"', b'"4111111111111111"', b"[" * 900,
    b'{"a":' * 900, b'"' + b"x" * 70_000 + b'"', b"\xff\xfe", b"\x00", b",", b"}", b"]", b":",
)  # fmt: skip


def good_bodies(path: str) -> list[bytes]:
    """Return bodies that a transformer answers with 200."""
    one, other = instance(), instance(transaction_id="x2", user_id="u2", amount="12.34")
    if path == PREDICT:
        many = [instance(transaction_id=f"f{number}") for number in range(40)]
        documents: list[object] = [{"instances": rows} for rows in ([one], [one, other], many)]
    elif path == INFER:
        columns = clients.columns([one, instance(transaction_id="x2")])
        documents = [{"inputs": columns}, {"id": "i", "inputs": columns, "outputs": []}]
    else:
        row = {name: float(number) for number, name in enumerate(FEATURE_NAMES)}
        documents = [{"features": row}, {"features": dict.fromkeys(row)}]
    return [json.dumps(document).encode() for document in documents]


def mutated(bodies: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Yield bodies with one to four places spoilt: bytes flipped, cut, doubled, put in."""
    source = random.Random(seed)
    for _ in range(count):
        body = bytearray(source.choice(bodies))
        for _ in range(source.randint(1, 4)):
            spoil(body, source)
        yield bytes(body)


def spoil(body: bytearray, source: random.Random, tokens: tuple[bytes, ...] = _TOKENS) -> None:
    """Spoil one place of a body."""
    start = source.randrange(len(body) + 1)
    end = min(len(body), start + source.choice((0, 1, 2, 4, 16, 64)))
    match source.randrange(5):
        case 0:
            body[start:end] = bytes(byte ^ (1 << source.randrange(8)) for byte in body[start:end])
        case 1:
            del body[start:end]
        case 2:
            body[start:start] = body[start:end]
        case 3:
            body[start:end] = source.choice(tokens)
        case _:
            body[start:end] = source.randbytes(source.randrange(8))


class Connection:
    """A kept connection; a server that closes it after an answer gets a new one."""

    def __init__(self, address: Address) -> None:
        """Connect on first use."""
        self._client = http.client.HTTPConnection("127.0.0.1", address.http, timeout=30)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._client.close()

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> "Answer":
        """Send a body; return the answer."""
        self._client.request("POST", path, body, dict(headers))
        response = self._client.getresponse()
        content = response.read()
        return Answer(response.status, dict(response.getheaders()), content)


@dataclass(frozen=True)
class Answer:
    """An answer of REST: status, headers as sent, body."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass
class Judge:
    """Looks at every answer of one path.

    Attributes:
        path: of the request.
        seen: how often each status came.
    """

    path: str
    seen: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Compile the schemas of the document."""
        self._valid = {status: _validator(self.path, status) for status in ("200", "400")}

    def check(self, answer: Answer, body: object) -> None:
        """Fail unless the answer is one that the design knows; ``body`` is for the message."""
        told = f"{answer.status} {answer.content[:300]!r} to {body!r:.600}"
        self.seen[answer.status] += 1
        assert answer.status == 200 or answer.status in REFUSALS, told
        names = {name.lower(): value for name, value in answer.headers.items()}
        if names["content-type"] == "application/octet-stream":
            assert answer.status == 200, told
            return
        assert names["content-type"] == "application/json", told
        document = json.loads(answer.content)
        self._valid["200" if answer.status == 200 else "400"](document, told)
        if answer.status == 200:
            assert "error" not in document, told
        else:
            assert document["error"], told
            assert document["request_id"] == names["x-request-id"], told


def _validator(path: str, status: str) -> Callable[[object, str], None]:
    document = openapi_document("fraud")
    responses = document["paths"][TEMPLATES[path]]["post"]["responses"]
    schema = responses[status]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**schema, "components": document["components"]})

    def check(answer: object, told: str) -> None:
        faults: list[Any] = [error.message for error in validator.iter_errors(answer)]
        assert not faults, f"{faults[0]}: {told}"

    return check
