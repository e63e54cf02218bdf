"""A client that gives up while it is being answered, and another that asks the same."""

import threading
from collections.abc import Iterator

import grpc
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from tests.cardfraud_inference.clients import binary_request, metric, predicted
from tests.cardfraud_inference.ladder.standing import Standing, question
from tests.cardfraud_inference.waiting import until
from tests.support import servers
from tests.support.servers import Address


@pytest.fixture(scope="module")
def keeping(standing: Standing) -> Iterator[Address]:
    """A transformer that keeps its answers, patient with the store."""
    address = Address()
    part = servers.transformer(
        address,
        standing.storage,
        bundle=standing.bundle,
        policy=standing.policy,
        predictor_at=None,
        name="keeping",
        repeated_entries="100",
        features_timeout_s="20",
    )
    standing.stack.supervisor.run(part)
    yield address
    standing.stack.supervisor.stop("keeping")


def test_whoever_asks_the_same_gets_the_answer_of_a_client_that_gave_up(
    standing: Standing, keeping: Address
) -> None:
    """The first request ends at its deadline; the second gets its answer, which is logged once."""
    asked = question()
    rows = 'cardfraud_prediction_log_rows_total{outcome="queued"}'
    before, carried = metric(keeping, rows), standing.redis.carried
    ended: list[grpc.StatusCode] = []

    def give_up() -> None:
        with grpc.insecure_channel(keeping.target) as channel:
            ask = GRPCInferenceServiceStub(channel).ModelInfer
            with pytest.raises(grpc.RpcError) as caught:
                ask(binary_request([asked]).to_grpc(), timeout=0.5)
        ended.append(caught.value.code())

    standing.redis.delay(1.2)
    first = threading.Thread(target=give_up)
    first.start()
    until(lambda: standing.redis.carried > carried or not first.is_alive())
    (answer,) = predicted(keeping, asked)
    first.join()
    assert ended == [grpc.StatusCode.DEADLINE_EXCEEDED]
    assert answer["probability"] is not None
    until(lambda: metric(keeping, rows) == before + 1)
    assert metric(keeping, "cardfraud_repeated_total") == 1
