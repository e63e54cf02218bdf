"""What the metrics say of a request, and how much of an exception a log line holds."""

import json
import logging
from collections.abc import Mapping
from datetime import timedelta

import pytest

from cardfraud_inference.telemetry.logs import LONGEST_TRACEBACK, configure_logs, logger
from tests.cardfraud_inference import clients
from tests.cardfraud_inference.clients import INFER, instance, metric, post, predict
from tests.cardfraud_inference.conftest import Serving
from tests.support.serving_state import NOW

OF_EVERY_REQUEST = {
    'cardfraud_stage_milliseconds_count{stage="parse"}': 1,
    'cardfraud_stage_milliseconds_count{stage="features"}': 1,
    'cardfraud_stage_milliseconds_count{stage="assemble"}': 1,
    'cardfraud_stage_milliseconds_count{stage="predict"}': 1,
    'cardfraud_stage_milliseconds_count{stage="decide"}': 1,
    'cardfraud_stage_milliseconds_count{stage="total"}': 1,
    "cardfraud_instances_total": 5,
    'cardfraud_decisions_total{decision="decline",track="stable"}': 1,
    'cardfraud_score_count{track="stable"}': 5,
    'cardfraud_features_missing_total{entity="user"}': 1,
    'cardfraud_features_missing_total{entity="merchant"}': 1,
    'cardfraud_features_stale_total{view="user_history_state_v1"}': 1,
    'cardfraud_features_stale_total{view="merchant_state_v3"}': 1,
    "cardfraud_features_late_total": 1,
    "cardfraud_degraded_total": 1,
    "cardfraud_feature_age_seconds_count": 3,
    "cardfraud_feature_age_seconds_sum": 7_200,
    'cardfraud_prediction_log_rows_total{outcome="queued"}': 5,
}
FIVE = [
    instance(amount=5_001, event_time=(NOW + timedelta(hours=1)).isoformat()),
    instance(transaction_id="x2", event_time=(NOW + timedelta(hours=1)).isoformat()),
    instance(transaction_id="x3", user_id="nobody", merchant_id="nowhere"),
    instance(transaction_id="x4", event_time=(NOW + timedelta(days=5)).isoformat()),
    instance(transaction_id="x5", event_time=(NOW - timedelta(minutes=3)).isoformat()),
]
"""Two an hour after the daily state, a cold start, one long after it and one before its end."""


def values(serving: Serving, series: Mapping[str, float]) -> dict[str, float]:
    """Return series of the transformer's."""
    return {name: metric(serving.transformer, name) for name in series}


@pytest.mark.parametrize(("protocol", "status"), [("v1", "200"), ("v2", "200"), ("grpc", "OK")])
def test_each_request_moves_every_metric(serving: Serving, protocol: str, status: str) -> None:
    """Stages, answers, decisions, health and age of the features are counted, by each protocol."""
    requests = f'cardfraud_requests_total{{protocol="{protocol}",status="{status}"}}'
    expected = OF_EVERY_REQUEST | {requests: 1}
    before = values(serving, expected)
    if protocol == "v1":
        assert predict(serving.transformer, *FIVE).status_code == 200
    elif protocol == "v2":
        body = {"inputs": clients.columns(FIVE)}
        assert post(serving.transformer, INFER, body).status_code == 200
    else:
        clients.infer_grpc(serving.transformer, clients.binary_request(FIVE).to_grpc())
    after = values(serving, expected)
    grown = {name: after[name] - before[name] for name in expected}
    assert grown == pytest.approx(expected)


def test_a_refusal_is_counted_by_its_status(serving: Serving) -> None:
    """Over REST and gRPC; nothing else of it is counted as answered."""
    bad = instance(amount=-1)
    expected = {
        'cardfraud_requests_total{protocol="v1",status="400"}': 1,
        'cardfraud_requests_total{protocol="grpc",status="INVALID_ARGUMENT"}': 1,
        "cardfraud_instances_total": 0,
    }
    before = values(serving, expected)
    assert predict(serving.transformer, bad).status_code == 400
    with pytest.raises(Exception, match="amount"):
        clients.infer_grpc(serving.transformer, clients.binary_request([bad]).to_grpc())
    after = values(serving, expected)
    assert {name: after[name] - before[name] for name in expected} == expected


def test_a_long_traceback_is_cut_in_its_middle(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line holds where an exception began and what it was, and is bounded."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers)
    monkeypatch.setattr(root, "level", root.level)

    def down(depth: int) -> None:
        up(depth - 1)

    def up(depth: int) -> None:
        if depth < 0:
            raise ValueError("the very bottom")
        down(depth)

    configure_logs("info")
    try:
        down(200)
    except ValueError:
        logger("deep").exception("fell")
    logging.captureWarnings(capture=False)
    line = json.loads(capsys.readouterr().out)
    assert line["event"] == "fell"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: the very bottom")
    assert len(line["exception"]) < LONGEST_TRACEBACK + 20
