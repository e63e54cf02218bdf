"""One process for transformer and model, and a model that reads some of the features only.

The fused server here keeps answers, gives reasons, and serves a model of a few features in an order
of its own; the split servers beside it serve the same model.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.contracts.bundle import InputColumn, Signature
from cardfraud.contracts.digests import canonical_json
from cardfraud.contracts.policy import Thresholds
from cardfraud.features.definitions import FEATURES, feature_set_digest
from cardfraud.features.user_stream import Event, UserStream, apply, fingerprint
from tests.cardfraud_inference import clients
from tests.cardfraud_inference.clients import instance, metric, post, predicted
from tests.cardfraud_inference.conftest import Serving
from tests.support import servers
from tests.support.bundles import bundle_files
from tests.support.feature_stores import feature_store
from tests.support.graphs import few_inputs_graph, tiny_policy
from tests.support.servers import Address
from tests.support.serving_state import NOW

INPUTS = ("merchant_count_7d", "amount", "avg_amount", "total_transactions")
"""Not in the order of the features."""
TYPICAL = {"merchant_count_7d": 2.0, "amount": 10.0, "avg_amount": 8.0, "total_transactions": 3.0}


@dataclass(frozen=True)
class Both:
    """The same model and policy, served by one process and by two."""

    fused: Address
    split: Address
    predictor: Address
    bundle: str


@pytest.fixture(scope="module")
def both(serving: Serving) -> Iterator[Both]:
    """Start them, ready."""
    columns = tuple(
        InputColumn(
            name=name,
            default=next(one.default for one in FEATURES if one.name == name),
            typical=TYPICAL[name],
        )
        for name in INPUTS
    )
    signature = Signature(feature_set_digest=feature_set_digest(), inputs=columns)
    document = canonical_json(signature.model_dump(mode="json"))
    files = bundle_files(few_inputs_graph(INPUTS)) | {"signature.json": document}
    bundle = publish_bundle(serving.objects, files, "fraud", "tiny").bundle_digest
    policy = publish_policy(
        serving.objects, "fraud", tiny_policy(thresholds=Thresholds(review=0.05, decline=0.6))
    )
    places = Both(Address(), Address(), Address(), bundle)
    supervisor = serving.supervisor
    supervisor.start(
        servers.predictor(places.predictor, serving.storage, bundle, name="few-predictor")
    )
    for name, address, before in (
        ("fused", places.fused, None),
        ("few-split", places.split, places.predictor),
    ):
        supervisor.start(
            servers.transformer(
                address,
                serving.storage,
                bundle=bundle,
                policy=policy,
                predictor_at=before,
                name=name,
                repeated_entries="100",
                reasons_timeout_s="5",
            )
        )
    for name in ("few-predictor", "fused", "few-split"):
        supervisor.wait(name)
    yield places
    for name in ("fused", "few-split", "few-predictor"):
        supervisor.stop(name)


def test_one_process_answers_as_two_do(both: Both) -> None:
    """Known and unknown users, small and large amounts: every field of the answers is the same."""
    asked = [
        instance(transaction_id=f"same-{user}-{amount}", user_id=user, amount=amount)
        for user in ("u1", "u2", "stranger")
        for amount in (0, 300, 900)
    ]
    answers = predicted(both.fused, *asked)
    assert answers == predicted(both.split, *asked)
    assert {one["decision"] for one in answers} == {"approve", "review", "decline"}


def test_a_model_may_read_a_few_features_in_its_own_order(both: Both) -> None:
    """The served probability is the model's on the values of its inputs, put in its order."""
    alone = instance(transaction_id="alone", user_id="stranger", merchant_id="nowhere", amount=100)
    (answer,) = predicted(both.fused, alone)
    row = {"merchant_count_7d": None, "amount": 100, "avg_amount": None, "total_transactions": None}
    plain = post(both.fused, "/predict", {"features": row}).json()
    assert answer["probability"] == plain["probability"]
    other = post(
        both.fused, "/predict", {"features": row | {"amount": 0, "avg_amount": 100}}
    ).json()
    assert other["probability"] != plain["probability"]


def test_every_protocol_of_the_fused_server_answers_alike(both: Both) -> None:
    """REST v1, v2 and gRPC carry the same probability."""
    one = instance(transaction_id="protocols", amount=77)
    (v1,) = predicted(both.fused, one)
    v2 = clients.infer_binary(both.fused, clients.binary_request([one]))
    rpc, _ = clients.infer_grpc(both.fused, clients.binary_request([one]).to_grpc())
    for answer in (v2, rpc):
        (found,) = answer.get_output_by_name("probability").as_numpy().tolist()
        assert found == pytest.approx(v1["probability"], abs=1e-7)


def test_what_is_not_approved_says_why(both: Both) -> None:
    """Reasons: the threshold first, then what the model made of it, in words and numbers."""
    for address in (both.fused, both.split):
        large, small = predicted(
            address,
            instance(transaction_id="why-large", amount=900),
            instance(transaction_id="why-small", amount=0),
        )
        assert large["decision"] == "decline"
        assert large["reasons"][0] == "probability at or above 0.6"
        assert large["reasons"][1].startswith("amount: ")
        assert "900.00" in large["reasons"][1]
        assert small["decision"] == "approve"
        assert small["reasons"] == []
    assert metric(both.fused, 'cardfraud_unexplained_total{kind="late"}') == 0


def test_a_transaction_that_is_asked_again_gets_the_same_answer(
    both: Both, serving: Serving
) -> None:
    """Its own event has reached the stream in between; neither the answer nor the log changes."""
    when = (NOW + timedelta(hours=1)).isoformat()
    asked = instance(transaction_id="again", user_id="u2", event_time=when, amount=50)
    (before,) = predicted(both.fused, asked)
    rows = metric(both.fused, 'cardfraud_prediction_log_rows_total{outcome="queued"}')
    moment = int((NOW + timedelta(minutes=30)).timestamp() * 1_000_000)
    state = UserStream(version_us=int(NOW.timestamp() * 1_000_000) + 7)
    for offset in range(4):
        event = Event(0, offset, moment, 90_000, fingerprint(f"in-between-{offset}"))
        state = replace(apply(state, event)[0], version_us=state.version_us + 1)
    store = feature_store(serving.endpoints)
    store.push_stream_states({"u2": state})
    store.close()
    assert predicted(both.fused, asked) == [before]
    assert metric(both.fused, "cardfraud_repeated_total") >= 1
    assert metric(both.fused, 'cardfraud_prediction_log_rows_total{outcome="queued"}') == rows
    (fresh,) = predicted(both.fused, asked | {"transaction_id": "again-by-another-name"})
    assert fresh["probability"] != before["probability"]


@pytest.fixture
def addresses(both: Both) -> dict[str, Address]:
    """All three servers, which all have the plain face."""
    return {"fused": both.fused, "split": both.split, "predictor": both.predictor}


def row(**changes: Any) -> dict[str, Any]:
    """Return a good body of ``POST /predict``; ``...`` leaves a feature out."""
    features = {
        "merchant_count_7d": 2,
        "amount": 57.16,
        "avg_amount": None,
        "total_transactions": 4,
    }
    whole = features | changes
    return {"features": {name: value for name, value in whole.items() if value is not ...}}


@pytest.mark.parametrize("kind", ["fused", "split", "predictor"])
def test_the_plain_face_predicts(addresses: dict[str, Address], both: Both, kind: str) -> None:
    """Features in, prediction and probability out; the model that answered is named."""
    response = post(addresses[kind], "/predict", row())
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["model"] == {"name": "fraud", "version": both.bundle}
    assert answer["threshold"] == (0.5 if kind == "predictor" else 0.05)
    assert answer["prediction"] == int(answer["probability"] >= answer["threshold"])
    assert answer["probability"] == post(both.predictor, "/predict", row()).json()["probability"]
    health = httpx.get(f"{addresses[kind].url}/health", timeout=30)
    assert (health.status_code, health.json()["status"]) == (200, "ok")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (row(amount=...), "amount"),
        (row(amount="57"), "amount"),
        (row(amount=True), "amount"),
        (row(amount=1e39), "amount"),
        (row(no_such_input=1), "no_such_input"),
    ],
)
def test_the_plain_face_names_what_is_wrong(both: Both, body: object, named: str) -> None:
    """A feature that is missing, unknown or no number: 400, and the feature's name."""
    response = post(both.fused, "/predict", body)
    assert response.status_code == 400
    assert [one["field"] for one in response.json()["details"]] == [named]


@pytest.mark.parametrize("body", [[], {}, {"features": []}, row() | {"more": 1}, b"{", b"nan"])
def test_the_plain_face_refuses_what_is_no_request(both: Both, body: object) -> None:
    """Anything else: 400 with an error, never a 5xx."""
    response = post(both.fused, "/predict", body)
    assert response.status_code == 400
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/predict"), ("POST", "/health"), ("GET", "/v1/models/fraud:predict")],
)
def test_another_method_is_refused(both: Both, method: str, path: str) -> None:
    """405, with the error's usual body."""
    response = httpx.request(method, both.fused.url + path, timeout=30)
    assert response.status_code == 405
    assert response.headers["allow"] == ("GET" if path == "/health" else "POST")
    assert response.json()["request_id"] == response.headers["x-request-id"]
