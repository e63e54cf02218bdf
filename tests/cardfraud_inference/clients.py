"""Clients of the servers: the same transactions over REST v1, REST v2 and gRPC."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import httpx
import numpy as np
from kserve import InferInput, InferRequest, InferResponse
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.support.servers import Address
from tests.support.serving_state import NOW

JSON_LENGTH = "inference-header-content-length"
PREDICT, INFER = "/v1/models/fraud:predict", "/v2/models/fraud/infer"


def instance(**changes: object) -> dict[str, Any]:
    """Return a good instance of a known user at a known merchant, with some fields changed.

    A field that is changed to ``...`` is left out.
    """
    whole: dict[str, Any] = {
        "transaction_id": "x1",
        "event_time": NOW.isoformat(),
        "user_id": "u1",
        "merchant_id": "m1",
        "amount": 57.16,
    }
    return {name: value for name, value in (whole | changes).items() if value is not ...}


def post(address: Address, path: str, content: bytes | object, **headers: str) -> httpx.Response:
    """Post bytes, or anything else as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    given = {"content-type": "application/json"} | headers
    return httpx.post(address.url + path, content=body, headers=given, timeout=30)


def predict(address: Address, *instances: object, **headers: str) -> httpx.Response:
    """Ask over REST v1."""
    return post(address, PREDICT, {"instances": list(instances)}, **headers)


def predicted(address: Address, *instances: object) -> list[dict[str, Any]]:
    """Ask over REST v1 and return the predictions."""
    response = predict(address, *instances)
    assert response.status_code == 200, response.text
    predictions: list[dict[str, Any]] = response.json()["predictions"]
    return predictions


def columns(instances: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the inputs of a v2 JSON body."""
    return [
        {
            "name": name,
            "shape": [len(instances)],
            "datatype": "FP64" if name == "amount" else "BYTES",
            "data": [one[name] for one in instances],
        }
        for name in instances[0]
    ]


def binary_request(instances: Sequence[Mapping[str, Any]]) -> InferRequest:
    """Return a v2 request with raw tensors, for REST and gRPC."""
    inputs = []
    for name in instances[0]:
        number = name == "amount"
        array = np.array([one[name] for one in instances], dtype=float if number else object)
        tensor = InferInput(name, list(array.shape), "FP64" if number else "BYTES")
        tensor.set_data_from_numpy(array, binary_data=True)
        inputs.append(tensor)
    return InferRequest("fraud", inputs, parameters={"binary_data_output": True})


def infer_binary(address: Address, request: InferRequest) -> InferResponse:
    """Ask over REST v2 with raw tensors both ways."""
    body, length = request.to_rest()
    response = post(address, INFER, body, **{JSON_LENGTH: str(length)})
    assert response.status_code == 200, response.text
    return InferResponse.from_bytes(response.content, int(response.headers[JSON_LENGTH]))


def infer_grpc(
    address: Address, request: Any, metadata: Sequence[tuple[str, str]] = ()
) -> tuple[InferResponse, dict[str, str]]:
    """Ask over gRPC; return the answer and its initial metadata.

    Raises:
        grpc.RpcError: the server refuses.
    """
    with grpc.insecure_channel(address.target) as channel:
        call = GRPCInferenceServiceStub(channel).ModelInfer.with_call
        answer, told = call(request, timeout=30, metadata=tuple(metadata))
        initial = {item.key: str(item.value) for item in told.initial_metadata()}
        return InferResponse.from_grpc(answer), initial


def metric(address: Address, series: str) -> float:
    """Return one series of ``/metrics``; 0 where there is none."""
    lines = httpx.get(address.url + "/metrics", timeout=30).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series + " "))
