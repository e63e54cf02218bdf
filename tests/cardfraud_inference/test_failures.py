"""A predictor that never comes up, through every protocol, and a live clock.

Two more transformers stand before nobody: one whose policy answers 503, and one whose rules decide
and whose clock is live. The folder ``ladder`` breaks parts while servers run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import numpy as np
import pytest

from cardfraud.adapters.bundles import publish_policy
from tests.cardfraud_inference import clients
from tests.cardfraud_inference.clients import INFER, instance, metric, post, predict, predicted
from tests.cardfraud_inference.conftest import Serving
from tests.support import servers
from tests.support.graphs import tiny_policy
from tests.support.servers import Address


@dataclass(frozen=True)
class Abandoned:
    """Transformers whose predictor is not there.

    Attributes:
        strict: its policy answers 503 then.
        lenient: rules decide; its clock is live.
    """

    strict: Address
    lenient: Address


@pytest.fixture(scope="module")
def abandoned(serving: Serving) -> Iterator[Abandoned]:
    """Both transformers, ready."""
    supervisor, nobody = serving.supervisor, Address()
    policy = tiny_policy(when_predictor_fails="unavailable")
    strict, lenient = Address(), Address()
    supervisor.start(
        servers.transformer(
            strict,
            serving.storage,
            bundle=serving.bundle,
            policy=publish_policy(serving.objects, "fraud", policy),
            predictor_at=nobody,
            name="strict",
        )
    )
    supervisor.start(
        servers.transformer(
            lenient,
            serving.storage,
            bundle=serving.bundle,
            policy=serving.policy,
            predictor_at=nobody,
            name="lenient",
            clock="live",
        )
    )
    supervisor.wait("strict")
    supervisor.wait("lenient")
    yield Abandoned(strict, lenient)
    for name in ("strict", "lenient"):
        supervisor.stop(name)


def now(**shift: float) -> str:
    """The present, shifted, as the clients write it."""
    return (datetime.now(UTC) + timedelta(**shift)).isoformat()


def stranger(**changes: object) -> dict[str, Any]:
    """Return a present transaction of whom the store knows nothing, so that nothing is stale."""
    usual = {"event_time": now(), "user_id": "nobody", "merchant_id": "nowhere"}
    return instance(**(usual | changes))


def test_without_a_predictor_the_policy_may_say_503(abandoned: Abandoned) -> None:
    """The whole request fails with 503 over REST and UNAVAILABLE over gRPC; never a 200."""
    response = predict(abandoned.strict, instance())
    assert response.status_code == 503
    assert "predictor" in response.json()["error"]
    columns = {"inputs": clients.columns([instance()])}
    assert post(abandoned.strict, INFER, columns).status_code == 503
    with pytest.raises(grpc.RpcError) as caught:
        clients.infer_grpc(abandoned.strict, clients.binary_request([instance()]).to_grpc())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    errors = 'cardfraud_predictor_errors_total{kind="connection"}'
    assert metric(abandoned.strict, errors) == 3
    assert metric(abandoned.strict, "cardfraud_instances_total") == 0


def test_without_a_predictor_the_rules_may_decide(abandoned: Abandoned) -> None:
    """Probability null, NaN in tensors; rules hold, and the mildest decision is the policy's."""
    quiet = stranger(amount=1)
    loud = quiet | {"transaction_id": "x2", "amount": 6_000}
    mild, strict = predicted(abandoned.lenient, quiet, loud)
    assert (mild["probability"], mild["decision"]) == (None, "review")
    assert (strict["probability"], strict["decision"]) == (None, "decline")
    assert mild["features"]["degraded"] is False
    request = clients.binary_request([quiet]).to_grpc()
    answer, _ = clients.infer_grpc(abandoned.lenient, request)
    assert np.isnan(answer.get_output_by_name("probability").as_numpy()).tolist() == [True]
    response = post(abandoned.lenient, INFER, {"inputs": clients.columns([quiet])})
    assert response.json()["outputs"][0]["data"] == [None]


def test_a_live_clock_refuses_what_has_not_happened(abandoned: Abandoned, serving: Serving) -> None:
    """More than 5 minutes ahead: 400; within them: answered; a replaying server takes any time."""
    ahead = instance(event_time=now(minutes=6))
    response = predict(abandoned.lenient, ahead)
    assert response.status_code == 400
    assert response.json()["details"][0]["field"] == "event_time"
    assert predict(abandoned.lenient, instance(event_time=now(minutes=4))).status_code == 200
    assert predict(serving.transformer, ahead).status_code == 200


def test_a_live_clock_marks_what_is_long_past(abandoned: Abandoned) -> None:
    """More than 24 hours behind: answered, but degraded."""
    late, fresh = predicted(
        abandoned.lenient,
        stranger(event_time=now(hours=-25)),
        stranger(transaction_id="x2", event_time=now(hours=-23)),
    )
    assert (late["features"]["degraded"], fresh["features"]["degraded"]) == (True, False)
