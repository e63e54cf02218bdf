"""Ten thousand bodies that nobody foresaw, and each answer is one that the design knows."""

import random
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cardfraud_pipelines.benchmarks.serving.processes import listener, resident_mib
from tests.cardfraud_inference import clients
from tests.cardfraud_inference.clients import INFER, PREDICT, instance, predicted
from tests.cardfraud_inference.conftest import Serving
from tests.cardfraud_inference.fuzzing import (
    CONTENT_TYPES,
    PLAIN,
    TEMPLATES,
    Answer,
    Connection,
    Judge,
    good_bodies,
    mutated,
    spoil,
)

GENERATED = 150
"""Bodies that schemathesis makes for each path and each of its two modes: 900 in all."""
MUTATED = 3_050
"""Spoilt bodies for each path: 9,150 in all."""
MESSAGES = 1_500
"""Spoilt gRPC messages."""
GROWTH_MIB = 64
"""What a server may hold more after all of it than before."""
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
METHOD = "/inference.GRPCInferenceService/ModelInfer"


@pytest.fixture(scope="module", autouse=True)
def memory(serving: Serving) -> Iterator[None]:
    """Neither server grows with what it refuses, and both still answer afterwards."""
    expected = predicted(serving.transformer, instance())
    processes = [listener(serving.transformer.http), listener(serving.predictor.http)]
    before = [resident_mib([process]) for process in processes]
    yield
    after = [resident_mib([process]) for process in processes]
    assert [listener(serving.transformer.http), listener(serving.predictor.http)] == processes
    assert max(b - a for a, b in zip(before, after, strict=True)) < GROWTH_MIB
    assert predicted(serving.transformer, instance()) == expected


@pytest.mark.parametrize("path", [PREDICT, INFER, PLAIN])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_what_the_document_allows_and_forbids(
    serving: Serving, path: str, mode: GenerationMode
) -> None:
    """Requests from the OpenAPI document, kept or broken: answered as the document says."""
    url = serving.transformer.url
    document = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operation = document[TEMPLATES[path]]["POST"]
    judge = Judge(path)

    @settings(
        max_examples=GENERATED,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: "schemathesis.Case[Any]") -> None:
        response = case.call(base_url=url, session=session)
        case.validate_response(response, checks=CHECKS)
        if mode is GenerationMode.NEGATIVE:
            assert response.status_code != 200, f"accepted: {case.body!r:.500}"
        headers = {name: values[0] for name, values in response.headers.items()}
        judge.check(Answer(response.status_code, headers, response.content), case.body)

    with requests.Session() as session:
        ask()
    assert judge.seen.total() >= GENERATED


@pytest.mark.parametrize("path", [PREDICT, INFER, PLAIN])
def test_good_bodies_gone_wrong(serving: Serving, path: str) -> None:
    """A good body with bytes flipped, cut, doubled or put in, under any content type."""
    source, judge = random.Random(path), Judge(path)
    with Connection(serving.transformer) as connection:
        for body in mutated(good_bodies(path), MUTATED, seed=len(path)):
            headers = {"content-type": source.choice(CONTENT_TYPES)}
            if source.random() < 0.1:
                length = source.choice((0, 1, len(body) // 2, len(body), len(body) + 1, -1))
                headers[clients.JSON_LENGTH] = str(length)
            judge.check(connection.post(path, body, headers), body)
    assert judge.seen.total() == MUTATED
    assert judge.seen[200] > 0  # some are still good, or this would prove little
    assert judge.seen[400] > MUTATED / 2


def test_grpc_messages_gone_wrong(serving: Serving) -> None:
    """A spoilt message gets an answer or a status that is the client's fault."""
    source = random.Random(4)
    good = clients.binary_request([instance(), instance(transaction_id="x2")]).to_grpc()
    whole = good.SerializeToString()
    seen: dict[str, int] = {}
    with grpc.insecure_channel(serving.transformer.target) as channel:
        call = channel.unary_unary(METHOD)
        for _ in range(MESSAGES):
            message = bytearray(whole)
            for _ in range(source.randint(1, 3)):
                spoil(message, source, (b"\xff" * 9, b"\x00", b"x" * 70_000))
            try:
                call(bytes(message), timeout=30)
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
                if code not in {"INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"}:
                    code = f"{code}: {error.details()}"
            seen[code] = seen.get(code, 0) + 1
    assert set(seen) <= {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"}
    assert seen["OK"] > 0
    assert seen["INVALID_ARGUMENT"] > MESSAGES / 2
