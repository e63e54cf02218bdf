"""Parts that go away while the servers run.

Two more transformers stand before a predictor that never comes up: one whose policy answers 503,
and one whose rules decide, on an online store of its own that is taken away.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from cardfraud.adapters.bundles import publish_policy
from cardfraud_pipelines.local.ports import pick_port
from cardfraud_pipelines.local.servers import online_store
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
        lenient: rules decide; its clock is live; its online store is the part ``own-redis``.
        redis: client of that store.
    """

    strict: Address
    lenient: Address
    redis: Any


@pytest.fixture(scope="module")
def abandoned(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Abandoned]:
    """Both transformers, ready."""
    supervisor, nobody = serving.supervisor, Address()
    own = dataclasses.replace(serving.endpoints, redis_port=pick_port())
    supervisor.run(
        dataclasses.replace(
            online_store(own, tmp_path_factory.mktemp("own-redis")), name="own-redis"
        )
    )
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
            serving.storage | {"CARDFRAUD_FEAST_REDIS_PORT": str(own.redis_port)},
            bundle=serving.bundle,
            policy=serving.policy,
            predictor_at=nobody,
            name="lenient",
            clock="live",
            features_timeout_s="1",
        )
    )
    supervisor.wait("strict")
    supervisor.wait("lenient")
    client = own.redis_client()
    yield Abandoned(strict, lenient, client)
    client.close()
    for name in ("strict", "lenient"):
        supervisor.stop(name)


def now(**shift: float) -> str:
    """The present, shifted, as the clients write it."""
    return (datetime.now(UTC) + timedelta(**shift)).isoformat()


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
    quiet = instance(event_time=now(), amount=1)
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
        instance(event_time=now(hours=-25)),
        instance(transaction_id="x2", event_time=now(hours=-23)),
    )
    assert (late["features"]["degraded"], fresh["features"]["degraded"]) == (True, False)


def test_the_predictor_may_go_and_come_back(serving: Serving) -> None:
    """Killed in the middle: rules decide; started again: scores as before, on new connections."""
    (before,) = predicted(serving.transformer, instance())
    serving.supervisor.stop("predictor")
    (without,) = predicted(serving.transformer, instance())
    assert without["probability"] is None
    assert without["decision"] == "review"
    part = servers.predictor(serving.predictor, serving.storage, serving.bundle)
    serving.supervisor.run(part)
    assert predicted(serving.transformer, instance()) == [before]


def test_an_online_store_that_is_slow_is_not_waited_for(abandoned: Abandoned) -> None:
    """Past its deadline the answer is degraded; once Redis answers again, so are no more."""
    quiet, timeouts = (
        instance(event_time=now()),
        'cardfraud_feature_store_errors_total{kind="timeout"}',
    )
    abandoned.redis.execute_command("CLIENT", "PAUSE", "2500", "ALL")
    (slow,) = predicted(abandoned.lenient, quiet)
    assert (slow["features"]["degraded"], slow["features"]["missing"]) == (True, [])
    assert metric(abandoned.lenient, timeouts) == 1
    assert abandoned.redis.ping()  # which Redis answers when the pause is over
    (after,) = predicted(abandoned.lenient, quiet)
    assert after["features"]["degraded"] is False
    assert sorted(after["features"]["missing"]) == ["merchant", "user"]


def test_without_the_online_store_rules_decide(serving: Serving, abandoned: Abandoned) -> None:
    """Redis killed in the middle: degraded answers, no model asked; the server stays ready."""
    (before,) = predicted(abandoned.lenient, instance(event_time=now()))
    assert before["features"]["degraded"] is False
    asked = 'cardfraud_stage_milliseconds_count{stage="predict"}'
    calls = metric(abandoned.lenient, asked)
    serving.supervisor.stop("own-redis")
    quiet = instance(event_time=now())
    mild, strict = predicted(
        abandoned.lenient, quiet, quiet | {"transaction_id": "x2", "amount": 6_000}
    )
    assert mild["features"] == {
        "age_seconds": None,
        "missing": [],
        "stale": [],
        "degraded": True,
        "late": False,
    }
    assert (mild["probability"], mild["decision"]) == (None, "review")
    assert strict["decision"] == "decline"
    assert metric(abandoned.lenient, asked) == calls
    ready = httpx.get(f"{abandoned.lenient.url}/v1/models/fraud", timeout=30)
    assert ready.json()["ready"] is True
    log = (serving.supervisor.folder / "lenient.log").read_text().splitlines()
    assert any(json.loads(line)["event"] == "feature store failed" for line in log)
