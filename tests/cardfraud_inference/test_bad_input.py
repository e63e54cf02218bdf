import json
from collections.abc import Callable
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from kserve import InferInput, InferRequest
from kserve.protocol.infer_type import RequestedOutput

from cardfraud.contracts.scoring import MAX_BODY_BYTES, MAX_INSTANCES
from cardfraud.features.definitions import FEATURE_NAMES
from tests.cardfraud_inference import clients
from tests.cardfraud_inference.clients import INFER, PREDICT, instance, metric, post, predict
from tests.cardfraud_inference.conftest import Serving

ROW = [1.0] * len(FEATURE_NAMES)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("transaction_id", ...),
        ("event_time", ...),
        ("user_id", ...),
        ("merchant_id", ...),
        ("amount", ...),
        ("shoe_size", 43),
        ("transaction_id", 7),
        ("user_id", ""),
        ("user_id", "x" * 65),
        ("user_id", "4111 1111 1111 1111"),
        ("merchant_id", None),
        ("amount", "a lot"),
        ("amount", True),
        ("amount", -0.01),
        ("amount", 1_000_000.01),
        ("amount", 1.005),
        ("amount", float("nan")),
        ("amount", float("inf")),
        ("event_time", "2024-03-10T00:00:00"),
        ("event_time", "yesterday"),
        ("event_time", 1_710_000_000),
        ("event_time", "2250-01-01T00:00:00Z"),
        ("currency", "XAU"),
        ("currency", "USD"),
        ("segment", "4111-1111-1111-1111"),
    ],
)
def test_a_field_that_is_wrong_is_named(serving: Serving, field: str, value: object) -> None:
    """Whatever is wrong with a field: 400, with the instance, the field and the reason."""
    response = predict(
        serving.transformer, instance(transaction_id="x0"), instance(**{field: value})
    )
    assert response.status_code == 400
    body = response.json()
    faults = [(one["index"], one["field"]) for one in body["details"]]
    assert (1, field) in faults
    assert all(one["reason"] for one in body["details"])
    assert body["error"]
    assert body["request_id"] == response.headers["x-request-id"]


def test_every_fault_of_every_instance_is_listed(serving: Serving) -> None:
    """A client can mend everything at once; a doubled id is a fault of the second."""
    response = predict(
        serving.transformer, instance(amount=-1, user_id=""), instance(), instance(), "no object"
    )
    assert response.status_code == 400
    faults = {(one["index"], one["field"]) for one in response.json()["details"]}
    assert faults == {(0, "amount"), (0, "user_id"), (2, "transaction_id"), (3, "")}


def test_one_bad_instance_stops_the_good_one(serving: Serving) -> None:
    """Nothing is scored, decided or logged of a request with any fault."""
    counted = (
        "cardfraud_instances_total",
        'cardfraud_prediction_log_rows_total{outcome="queued"}',
        'cardfraud_stage_milliseconds_count{stage="features"}',
    )
    before = [metric(serving.transformer, series) for series in counted]
    scored = metric(serving.predictor, "cardfraud_instances_total")
    good, bad = instance(transaction_id="good"), instance(transaction_id="bad", amount=-1)
    assert predict(serving.transformer, good, bad).status_code == 400
    assert [metric(serving.transformer, series) for series in counted] == before
    assert metric(serving.predictor, "cardfraud_instances_total") == scored
    assert predict(serving.transformer, good).status_code == 200
    assert metric(serving.transformer, counted[0]) == before[0] + 1


@pytest.mark.parametrize("server", ["predictor", "transformer"])
@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "JSON"),
        (b"\xff\xfe\x00 no text", "JSON"),
        (b'{"instances": [', "JSON"),
        (b'{"instances": [' + b"[" * 5_000, "JSON"),
        (b'{"instances": [[1' + b"0" * 400 + b"]]}", ""),
        (b"[]", "instances"),
        (b'{"rows": []}', "instances"),
        (b'{"instances": {}}', "instances"),
        (b'{"instances": []}', "empty"),
        (b'{"instances": [[1]], "parameters": {}}', ""),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_a_body_that_is_not_of_the_form_is_refused(
    serving: Serving, server: str, body: bytes, word: str, content_type: str
) -> None:
    """Bytes that are not JSON, or JSON of another form: 400, saying so."""
    address = getattr(serving, server)
    response = post(address, PREDICT, body, **{"content-type": content_type})
    assert response.status_code == 400
    assert word in response.json()["error"]


@pytest.mark.parametrize("path", [PREDICT, INFER])
@pytest.mark.parametrize("server", ["predictor", "transformer"])
def test_a_body_that_is_too_large_is_refused(serving: Serving, server: str, path: str) -> None:
    """One byte above the limit: 413, whether the length was announced or not."""
    address = getattr(serving, server)
    body = b" " * (MAX_BODY_BYTES + 1)
    response = post(address, path, body)
    assert response.status_code == 413
    assert str(MAX_BODY_BYTES) in response.json()["error"]
    pieces = (body[i : i + 65_536] for i in range(0, len(body), 65_536))
    streamed = httpx.post(address.url + path, content=pieces, timeout=30)
    assert streamed.status_code == 413
    assert post(address, path, b" " * MAX_BODY_BYTES).status_code == 400


def test_too_many_instances_are_refused(serving: Serving) -> None:
    """One above the limit: 413, over v1, v2 and gRPC, at both servers."""
    many = [instance(transaction_id=f"m{i}") for i in range(MAX_INSTANCES + 1)]
    assert predict(serving.transformer, *many).status_code == 413
    body = {"inputs": clients.columns(many)}
    assert post(serving.transformer, INFER, body).status_code == 413
    with pytest.raises(grpc.RpcError) as caught:
        clients.infer_grpc(serving.transformer, clients.binary_request(many).to_grpc())
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    rows = {"instances": [ROW] * (MAX_INSTANCES + 1)}
    assert post(serving.predictor, PREDICT, rows).status_code == 413


@pytest.mark.parametrize("path", [PREDICT, INFER])
@pytest.mark.parametrize("server", ["predictor", "transformer"])
def test_an_unknown_model_or_path_is_not_found(serving: Serving, server: str, path: str) -> None:
    """404 with our body for another model; 404 and 405 for what is no route."""
    url = getattr(serving, server).url
    response = httpx.post(url + path.replace("fraud", "fruad"), json={}, timeout=30)
    assert response.status_code == 404
    assert "fruad" in response.json()["error"]
    assert httpx.get(url + "/nothing", timeout=30).json()["request_id"]
    assert httpx.delete(url + path, timeout=30).status_code == 405


@pytest.mark.parametrize("server", ["predictor", "transformer"])
@pytest.mark.parametrize("verb", ["load", "unload"])
def test_nobody_can_unload_the_model(serving: Serving, server: str, verb: str) -> None:
    """KServe's unauthenticated endpoints for loading and unloading are not there."""
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
    from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

    address = getattr(serving, server)
    url = f"{address.url}/v2/repository/models/fraud/{verb}"
    assert httpx.post(url, timeout=30).status_code == 404
    with grpc.insecure_channel(address.target) as channel:
        stub = GRPCInferenceServiceStub(channel)
        message = getattr(messages, f"RepositoryModel{verb.title()}Request")(model_name="fraud")
        with pytest.raises(grpc.RpcError) as caught:
            getattr(stub, f"RepositoryModel{verb.title()}")(message, timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert httpx.get(f"{address.url}/v2/models/fraud/ready", timeout=30).status_code == 200


def drop(name: str) -> Callable[[list[dict[str, Any]]], None]:
    """Return a change that leaves a column out."""
    return lambda columns: columns.remove(next(one for one in columns if one["name"] == name))


def change(name: str, /, **fields: object) -> Callable[[list[dict[str, Any]]], None]:
    """Return a change of a column."""
    return lambda columns: next(one for one in columns if one["name"] == name).update(fields)


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (drop("merchant_id"), "merchant_id"),
        (change("user_id", name="users"), "users"),
        (change("amount", datatype="FP32"), "amount"),
        (change("amount", data=["57.16"]), "amount"),
        (change("amount", data=[None]), "amount"),
        (change("amount", data=[1.0, 2.0]), "amount"),
        (change("amount", shape=[1, 1]), "amount"),
        (change("amount", shape=[-1]), "amount"),
        (change("amount", shape="1"), "amount"),
        (change("amount", data=None), "amount"),
        (change("amount", data=..., parameters={"binary_data_size": 8}), "amount"),
        (change("user_id", data=[7]), "user_id"),
        (change("user_id", shape=[2], data=["u1", "u2"]), "user_id"),
        (change("user_id", datatype=7), "user_id"),
        (change("user_id", shape=[0], data=[]), "user_id"),
        (change("transaction_id", name=None), "name"),
        (lambda columns: columns.append(columns[0]), "transaction_id"),
    ],
)
def test_a_tensor_that_is_wrong_is_named(
    serving: Serving, spoil: Callable[[list[dict[str, Any]]], None], name: str
) -> None:
    """A v2 input that is missing, unknown, doubled or of another type or shape: 400, its name."""
    inputs = clients.columns([instance()])
    spoil(inputs)
    inputs = [{key: value for key, value in one.items() if value is not ...} for one in inputs]
    response = post(serving.transformer, INFER, {"inputs": inputs})
    assert response.status_code == 400
    assert name in response.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": {}},
        {"inputs": [7]},
        {"inputs": [], "id": 7},
        {"inputs": [], "parameters": 7},
        {"inputs": [], "outputs": 7},
        {"inputs": [], "outputs": [{}]},
        {"inputs": [], "outputs": [{"name": "probability", "parameters": 7}]},
        {"inputs": [], "outputs": [{"name": "salary"}]},
        {},
        7,
    ],
)
def test_a_v2_body_of_another_form_is_refused(serving: Serving, body: object) -> None:
    """Any other shape of the document is a 400 and never a 500."""
    response = post(serving.transformer, INFER, body)
    assert response.status_code == 400
    assert response.json()["error"]


@pytest.mark.parametrize("server", ["predictor", "transformer"])
def test_an_output_that_is_asked_for_twice_is_refused(serving: Serving, server: str) -> None:
    """An answer grows with its instances alone: 400 and the output's name, over REST and gRPC."""
    row = InferInput("features", [1, len(ROW)], "FP32")
    row.set_data_from_numpy(np.array([ROW], dtype=np.float32), binary_data=True)
    good = clients.binary_request([instance()])
    request = InferRequest("fraud", [row]) if server == "predictor" else good
    address = getattr(serving, server)
    message = request.to_grpc()
    for times, status in ((1, 200), (2, 400), (5_000, 400)):
        request.request_outputs = [RequestedOutput("probability")] * times
        body, length = request.to_rest()
        response = post(address, INFER, body, **{clients.JSON_LENGTH: str(length)})
        assert response.status_code == status, response.text
        assert status == 200 or "probability" in response.json()["error"]
    for _ in range(2):
        message.outputs.add(name="probability")
    with pytest.raises(grpc.RpcError) as caught:
        clients.infer_grpc(address, message)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("length", ["0", "-1", "99999", "many"])
def test_a_length_of_the_json_that_cannot_be_is_refused(serving: Serving, length: str) -> None:
    """The header of the binary extension is checked against the body."""
    body = {"inputs": clients.columns([instance()])}
    response = post(serving.transformer, INFER, body, **{clients.JSON_LENGTH: length})
    assert response.status_code == 400
    assert clients.JSON_LENGTH in response.json()["error"]


def test_a_bad_instance_in_columns_is_named(serving: Serving) -> None:
    """The same list of faults comes over v2, and over gRPC as trailing metadata."""
    bad = [instance(), instance(transaction_id="x2", amount=float("nan"))]
    response = post(serving.transformer, INFER, {"inputs": clients.columns(bad)})
    assert response.status_code == 400
    (fault,) = response.json()["details"]
    assert (fault["index"], fault["field"]) == (1, "amount")
    with pytest.raises(grpc.RpcError) as caught:
        clients.infer_grpc(serving.transformer, clients.binary_request(bad).to_grpc())
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "amount" in error.details()
    trailing = {item.key: item.value for item in error.trailing_metadata()}
    assert json.loads(trailing["x-error-details"]) == [fault]


def test_grpc_refuses_what_rest_refuses(serving: Serving) -> None:
    """Unknown models, missing columns and broken tensors have their status, never INTERNAL."""
    good = clients.binary_request([instance()]).to_grpc()
    cases = []
    for change_to in ("model", "column", "tensor", "utf8"):
        request = type(good)()
        request.CopyFrom(good)
        if change_to == "model":
            request.model_name = "fruad"
        elif change_to == "column":
            del request.inputs[0], request.raw_input_contents[0]
        else:
            broken = b"\x09\x00" if change_to == "tensor" else b"\x01\x00\x00\x00\xff"
            request.raw_input_contents[0] = broken
        with pytest.raises(grpc.RpcError) as caught:
            clients.infer_grpc(serving.transformer, request)
        cases.append(caught.value.code().name)
    assert cases == ["NOT_FOUND", *["INVALID_ARGUMENT"] * 3]


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (ROW[:-1], "features"),
        ([*ROW, 1.0], "features"),
        (7, "features"),
        (["1", *ROW[1:]], FEATURE_NAMES[0]),
        ([*ROW[:-1], None], FEATURE_NAMES[-1]),
        ([True, *ROW[1:]], FEATURE_NAMES[0]),
        ([*ROW[:3], float("nan"), *ROW[4:]], FEATURE_NAMES[3]),
        ([*ROW[:3], float("inf"), *ROW[4:]], FEATURE_NAMES[3]),
        ([*ROW[:3], 1e300, *ROW[4:]], FEATURE_NAMES[3]),
        ([*ROW[:3], -(10**39), *ROW[4:]], FEATURE_NAMES[3]),
    ],
)
def test_the_predictor_names_the_feature_that_is_wrong(
    serving: Serving, row: object, name: str
) -> None:
    """Too narrow, too wide, no number, not finite: 400, with the row and the feature."""
    body = json.dumps({"instances": [ROW, row]}).encode()
    response = post(serving.predictor, PREDICT, body)
    assert response.status_code == 400
    (fault,) = response.json()["details"]
    assert (fault["index"], fault["field"]) == (1, name)


def test_the_predictor_refuses_raw_tensors_that_do_not_fit(serving: Serving) -> None:
    """NaN, another width or another number of bytes: 400, over REST and gRPC."""
    wide = np.ones((1, len(FEATURE_NAMES) + 1), dtype=np.float32)
    holes = np.full((1, len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    for rows in (wide, holes):
        raw = InferInput("features", list(rows.shape), "FP32")
        raw.set_data_from_numpy(rows, binary_data=True)
        request = InferRequest("fraud", [raw])
        body, length = request.to_rest()
        headers = {clients.JSON_LENGTH: str(length)}
        assert post(serving.predictor, INFER, body, **headers).status_code == 400
        assert post(serving.predictor, INFER, body[:-4], **headers).status_code == 400
        with pytest.raises(grpc.RpcError) as caught:
            clients.infer_grpc(serving.predictor, request.to_grpc())
        code = caught.value.code()
        assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_bytes_behind_the_last_tensor_are_refused(serving: Serving) -> None:
    """A body that is right in everything else but longer than its tensors: 400, how much."""
    raw = InferInput("features", [1, len(ROW)], "FP32")
    raw.set_data_from_numpy(np.array([ROW], dtype=np.float32), binary_data=True)
    body, length = InferRequest("fraud", [raw]).to_rest()
    headers = {clients.JSON_LENGTH: str(length)}
    assert post(serving.predictor, INFER, body, **headers).status_code == 200
    response = post(serving.predictor, INFER, body + b"1234", **headers)
    assert response.status_code == 400
    assert "4 bytes follow" in response.json()["error"]
