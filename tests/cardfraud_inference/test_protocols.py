import json
from datetime import timedelta
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from kserve import InferInput, InferRequest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from cardfraud.adapters.bundles import load_bundle
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.scoring.assembly import assemble
from cardfraud.scoring.session import OnnxScorer
from tests.cardfraud_inference import clients
from tests.cardfraud_inference.clients import INFER, instance, post, predict, predicted
from tests.cardfraud_inference.conftest import Serving
from tests.support.feature_stores import feature_store, record
from tests.support.serving_state import NOW

THREE = [
    instance(),
    instance(transaction_id="x2", user_id="u2", merchant_id="m2", amount=400),
    instance(transaction_id="x3", user_id="nobody", merchant_id="nowhere", amount=0),
]


def test_every_protocol_gives_the_same_answer(serving: Serving) -> None:
    """REST v1, REST v2 in JSON and in raw tensors, and gRPC carry the same predictions."""
    expected = predicted(serving.transformer, *THREE)
    response = post(serving.transformer, INFER, {"inputs": clients.columns(THREE)})
    assert response.status_code == 200, response.text
    outputs = {one["name"]: one for one in response.json()["outputs"]}
    assert [json.loads(text) for text in outputs["detail"]["data"]] == expected
    assert response.json()["model_version"] == serving.bundle
    assert outputs["decision"]["data"] == [one["decision"] for one in expected]
    binary = clients.infer_binary(serving.transformer, clients.binary_request(THREE))
    remote, _ = clients.infer_grpc(serving.transformer, clients.binary_request(THREE).to_grpc())
    for answer in (binary, remote):
        detail = answer.get_output_by_name("detail").as_numpy().tolist()
        assert [json.loads(text) for text in detail] == expected
        scores = answer.get_output_by_name("probability").as_numpy()
        assert scores.dtype == np.float32
        assert scores.tolist() == [one["probability"] for one in expected]
        assert answer.model_name == "fraud"


def test_grpc_takes_typed_contents_as_well_as_raw_ones(serving: Serving) -> None:
    """A client that fills the message's own fields gets the same answer."""
    request = InferRequest(
        "fraud",
        [
            InferInput(one["name"], one["shape"], one["datatype"], one["data"])
            for one in clients.columns(THREE)
        ],
    )
    answer, _ = clients.infer_grpc(serving.transformer, request.to_grpc())
    detail = answer.get_output_by_name("detail").as_numpy().tolist()
    assert [json.loads(text) for text in detail] == predicted(serving.transformer, *THREE)


def test_the_score_is_that_of_the_stored_state_and_the_published_graph(serving: Serving) -> None:
    """What is served equals what the library computes from the same state and the same bytes."""
    with_store = feature_store(serving.endpoints)
    rows = with_store.read_online(["u1", "u2"], ["m1", "m2"])
    with_store.close()
    records = [
        record("x1", NOW, "u1", "m1", 5_716),
        record("x2", NOW, "u2", "m2", 40_000),
    ]
    bundle = load_bundle(serving.objects, "fraud", serving.bundle)
    expected = OnnxScorer(bundle.model, bundle.signature).score(assemble(records, rows).vector)
    served = [one["probability"] for one in predicted(serving.transformer, *THREE[:2])]
    np.testing.assert_allclose(served, expected, atol=1e-6)
    assert served[0] != served[1]


def test_the_answer_says_which_model_and_policy_gave_it(serving: Serving) -> None:
    """Name, bundle, track, policy and health of the features stand in every prediction."""
    (answer,) = predicted(serving.transformer, instance())
    assert answer["transaction_id"] == "x1"
    assert answer["model"] == {"name": "fraud", "version": serving.bundle, "track": "stable"}
    assert answer["policy"] == {"version": serving.policy}
    assert answer["features"] == {
        "age_seconds": 0.0,
        "missing": [],
        "stale": [],
        "degraded": False,
        "late": False,
    }


def test_an_unknown_user_and_merchant_are_a_cold_start(serving: Serving) -> None:
    """They get defaults, are listed as missing, and do not degrade the answer."""
    answer = predicted(serving.transformer, *THREE)[2]
    assert sorted(answer["features"]["missing"]) == ["merchant", "user"]
    assert answer["features"]["degraded"] is False
    assert answer["features"]["age_seconds"] is None
    assert answer["probability"] is not None


def test_stale_state_degrades_the_answer_and_asks_for_a_review(serving: Serving) -> None:
    """State that is past its time to live at the event's time is named and not used."""
    late = (NOW + timedelta(days=5)).isoformat()
    (answer,) = predicted(serving.transformer, instance(event_time=late, amount=1))
    assert set(answer["features"]["stale"]) == {"user_history_state_v1", "merchant_state_v3"}
    assert answer["features"]["degraded"] is True
    assert answer["decision"] == "review"
    assert answer["reasons"]


def test_rules_make_the_decision_stricter(serving: Serving) -> None:
    """A rule of the policy that fires gives its decision and its reason."""
    (answer,) = predicted(serving.transformer, instance(amount=5_000.01))
    assert answer["decision"] == "decline"
    assert "large_amount: more than anybody spends" in answer["reasons"]


def test_a_thousand_instances_are_answered_in_order(serving: Serving) -> None:
    """The largest batch that is allowed comes back whole and in its own order."""
    many = [instance(transaction_id=f"b{i:04d}", amount=i) for i in range(1_000)]
    answers = predicted(serving.transformer, *many)
    assert [one["transaction_id"] for one in answers] == [f"b{i:04d}" for i in range(1_000)]
    assert answers[57]["probability"] == predicted(serving.transformer, many[57])[0]["probability"]


def test_currency_and_segment_are_optional_everywhere(serving: Serving) -> None:
    """The two optional fields are taken in v1 and in v2."""
    given = instance(currency="EUR", segment="new")
    (expected,) = predicted(serving.transformer, given)
    response = post(serving.transformer, INFER, {"inputs": clients.columns([given])})
    assert json.loads(response.json()["outputs"][2]["data"][0]) == expected


def test_only_the_outputs_that_were_asked_for_come_back(serving: Serving) -> None:
    """A v2 request may name its outputs."""
    body = {"inputs": clients.columns(THREE), "outputs": [{"name": "decision"}]}
    response = post(serving.transformer, INFER, body)
    assert [one["name"] for one in response.json()["outputs"]] == ["decision"]


@pytest.mark.parametrize("server", ["predictor", "transformer"])
def test_both_servers_describe_themselves(serving: Serving, server: str) -> None:
    """Readiness, metadata and health of v1, v2 and gRPC answer, for this model only."""
    address = getattr(serving, server)
    with httpx.Client(base_url=address.url, timeout=30) as client:
        for path in ("/", "/v2/health/live", "/v2/health/ready", "/v2", "/metrics"):
            assert client.get(path).status_code == 200, path
        assert client.get("/v1/models/fraud").json() == {"name": "fraud", "ready": True}
        assert client.get("/v2/models/fraud/ready").json() == {"name": "fraud", "ready": True}
        metadata = client.get("/v2/models/fraud").json()
        assert client.get("/v2/models/other/ready").status_code == 404
    with grpc.insecure_channel(address.target) as channel:
        stub = GRPCInferenceServiceStub(channel)
        assert stub.ModelReady(messages.ModelReadyRequest(name="fraud"), timeout=30).ready
        described = stub.ModelMetadata(messages.ModelMetadataRequest(name="fraud"), timeout=30)
    assert [one["name"] for one in metadata["inputs"]] == [one.name for one in described.inputs]
    assert metadata["outputs"][0]["name"] == "probability"


def test_the_predictor_gives_the_same_over_every_protocol(serving: Serving) -> None:
    """Features in, probability out: v1, v2 in JSON and raw, and gRPC agree."""
    rows = np.random.default_rng(3).uniform(0, 5, (300, len(FEATURE_NAMES))).astype(np.float32)
    v1 = post(serving.predictor, clients.PREDICT, {"instances": rows.tolist()})
    assert v1.status_code == 200, v1.text
    expected = np.array(v1.json()["predictions"], dtype=np.float32)
    tensor: dict[str, Any] = {"name": "features", "datatype": "FP32", "shape": list(rows.shape)}
    v2 = post(serving.predictor, INFER, {"inputs": [tensor | {"data": rows.tolist()}]})
    assert v2.json()["outputs"][0]["data"] == pytest.approx(expected.tolist(), abs=0)
    raw = InferInput("features", list(rows.shape), "FP32")
    raw.set_data_from_numpy(rows, binary_data=True)
    request = InferRequest("fraud", [raw], parameters={"binary_data_output": True})
    for answer in (
        clients.infer_binary(serving.predictor, request),
        clients.infer_grpc(serving.predictor, request.to_grpc())[0],
    ):
        np.testing.assert_array_equal(answer.outputs[0].as_numpy(), expected)
        assert answer.model_name == "fraud"


def test_an_id_is_made_or_kept_and_carried_to_the_predictor(serving: Serving) -> None:
    """The request's id, W3C trace context and forced track reach the predictor; the id returns."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    given = {"x-request-id": "my-own-id", "traceparent": trace, "x-fraud-track": "canary"}
    response = predict(serving.transformer, instance(), **given)
    assert response.headers["x-request-id"] == "my-own-id"
    made = predict(serving.transformer, instance()).headers["x-request-id"]
    assert made not in {"", "my-own-id"}
    log = (serving.supervisor.folder / "predictor.log").read_text().splitlines()
    seen = [json.loads(line) for line in log if "my-own-id" in line or made in line]
    assert [one["x_request_id"] for one in seen] == ["my-own-id", made]
    assert (seen[0]["traceparent"], seen[0]["x_fraud_track"]) == (trace, "canary")


def test_a_request_id_that_could_spoil_a_log_is_replaced(serving: Serving) -> None:
    """An id of other characters, or one that is too long, is not repeated anywhere."""
    for bad in ('a"b', "x" * 129):
        response = predict(serving.transformer, instance(), **{"x-request-id": bad})
        assert response.status_code == 200
        assert response.headers["x-request-id"] != bad


def test_grpc_and_v2_give_an_id_too(serving: Serving) -> None:
    """A v2 request keeps its own id; without one it gets the request's; gRPC tells it first."""
    body = {"inputs": clients.columns([instance()])}
    response = post(serving.transformer, INFER, body | {"id": "seven"})
    assert response.json()["id"] == "seven"
    response = post(serving.transformer, INFER, body)
    assert response.json()["id"] == response.headers["x-request-id"]
    request = clients.binary_request([instance()]).to_grpc()
    _, told = clients.infer_grpc(serving.transformer, request, [("x-request-id", "over-grpc")])
    assert told["x-request-id"] == "over-grpc"


def test_logs_hold_no_payloads(serving: Serving) -> None:
    """Neither the ids of users and merchants nor amounts stand in the servers' logs."""
    secret = instance(
        user_id="user-never-logged", merchant_id="shop-never-logged", amount=97_531.37
    )
    predicted(serving.transformer, secret)
    predict(serving.transformer, secret | {"amount": -97_531.37})
    for server in ("predictor", "transformer"):
        text = (serving.supervisor.folder / f"{server}.log").read_text()
        assert "never-logged" not in text
        assert "97531.37" not in text
        # Not splitlines(): a path that somebody made up may hold other characters that end lines.
        lines = text.removesuffix("\n").split("\n")
        assert [line for line in lines if not line.startswith("{")] == []


def test_the_answer_names_its_track_in_a_header(serving: Serving) -> None:
    """A gateway can tell tracks apart without reading bodies: JSON and raw tensors alike."""
    raw, length = clients.binary_request([instance()]).to_rest()
    answers = [
        predict(serving.transformer, instance()),
        post(serving.transformer, INFER, {"inputs": clients.columns([instance()])}),
        post(serving.transformer, INFER, raw, **{clients.JSON_LENGTH: str(length)}),
    ]
    assert [one.headers["x-fraud-track"] for one in answers] == ["stable"] * 3
    assert answers[2].headers["content-type"] == "application/octet-stream"


def test_an_answer_says_when_the_state_is_ahead_of_it(serving: Serving) -> None:
    """The user's state holds an event after the transaction: late, and no more than that."""
    early = (NOW - timedelta(minutes=3)).isoformat()
    late, on_time = predicted(
        serving.transformer, instance(event_time=early), instance(transaction_id="x2")
    )
    assert (late["features"]["late"], late["features"]["degraded"]) == (True, False)
    assert on_time["features"]["late"] is False
