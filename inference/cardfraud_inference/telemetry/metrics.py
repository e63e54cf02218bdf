"""Prometheus metrics of both servers: their names, which do not change, and their one registry.

KServe serves ``/metrics`` from prometheus-client's default registry, so everything is in there.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from cardfraud.contracts.scoring import Prediction
from cardfraud.scoring.decision import Verdict

# Otherwise each counter and histogram has a second series that nothing reads.
disable_created_metrics()  # type: ignore[no-untyped-call]

MILLISECONDS: Final = (0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 200, 500, 1000)
"""Upper edges of the latency buckets, in milliseconds."""
AGES: Final = (1, 10, 60, 600, 3_600, 21_600, 43_200, 86_400, 172_800, 604_800)
"""Upper edges of the feature age buckets, in seconds."""
SCORES: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0)

STAGE_MILLISECONDS: Final = Histogram(
    "cardfraud_stage_milliseconds",
    "Time that one stage of answering a request took, in milliseconds.",
    ["stage"],
    buckets=MILLISECONDS,
)
REQUESTS: Final = Counter(
    "cardfraud_requests_total",
    "Requests by protocol (v1, v2, plain, grpc, other) and HTTP or gRPC status.",
    ["protocol", "status"],
)
CONNECTIONS_ENDED: Final = Counter(
    "cardfraud_connections_ended_total",
    "REST connections that were ended on a client: unread (it did not take its answer in time), "
    "body (after the answer, the rest of the body did not come).",
    ["reason"],
)
INSTANCES: Final = Counter(
    "cardfraud_instances_total",
    "Instances that were answered, repeated ones too; at a predictor, rows that were scored, those "
    "for reasons too.",
)
DECISIONS: Final = Counter("cardfraud_decisions_total", "Decisions.", ["track", "decision"])
SCORE: Final = Histogram(
    "cardfraud_score", "Probability of fraud of each instance.", ["track"], buckets=SCORES
)
MISSING: Final = Counter(
    "cardfraud_features_missing_total", "Entities that the feature store did not know.", ["entity"]
)
STALE: Final = Counter(
    "cardfraud_features_stale_total", "States older than their time to live.", ["view"]
)
LATE: Final = Counter(
    "cardfraud_features_late_total",
    "Instances whose user's state already held something that happened after them.",
)
DEGRADED: Final = Counter("cardfraud_degraded_total", "Instances answered on less than all.")
FEATURE_AGE_SECONDS: Final = Histogram(
    "cardfraud_feature_age_seconds", "Age of the oldest state of an instance.", buckets=AGES
)
FEATURE_STORE_ERRORS: Final = Counter(
    "cardfraud_feature_store_errors_total", "Failed reads of the feature store.", ["kind"]
)
POLICY_REFRESH_ERRORS: Final = Counter(
    "cardfraud_policy_refresh_errors_total",
    "Looks at tracks.json that failed, or found a policy that cannot decide here.",
    ["kind"],
)
PREDICTOR_ERRORS: Final = Counter(
    "cardfraud_predictor_errors_total", "Failed calls of the predictor.", ["kind"]
)
RUNG: Final = Counter(
    "cardfraud_rung_total",
    "Instances by what was left to answer from: full, stale (a state or the event is too old), "
    "store (no features in time), predictor (no probability), unavailable (refused).",
    ["rung"],
)
RUNGS: Final = ("full", "stale", "store", "predictor", "unavailable")
for _rung in RUNGS:  # so that a series is there before the first fault, for alerts
    RUNG.labels(_rung)
OPENED_FROM: Final = Gauge(
    "cardfraud_opened_from",
    "1 for where bundle and policy came from at the start: registry or cache.",
    ["source"],
)
REPEATED: Final = Counter(
    "cardfraud_repeated_total", "Transactions that were asked again and got the same answer."
)
UNEXPLAINED: Final = Counter(
    "cardfraud_unexplained_total",
    "Instances that were not approved and got no contributions of the model: late, error.",
    ["kind"],
)
RULES: Final = Counter(
    "cardfraud_rules_total", "Rules that fired, active or in shadow.", ["rule", "mode"]
)
PREDICTION_LOG_ROWS: Final = Counter(
    "cardfraud_prediction_log_rows_total",
    "Rows of the prediction log by outcome: queued, written, dropped, lost (by a killed process).",
    ["outcome"],
)
PREDICTION_LOG_WAITING: Final = Gauge(
    "cardfraud_prediction_log_waiting", "Rows of the prediction log not yet written."
)
PREDICTION_LOG_ERRORS: Final = Counter(
    "cardfraud_prediction_log_errors_total", "Failed writes of the prediction log."
)
SERVING: Final = Gauge(
    "cardfraud_serving",
    "1 for what this process serves.",
    ["server", "track", "bundle", "policy", "feature_set"],
)


# Looking a series up by its labels takes longer than counting in it; there are few of these.
_stage = cache(STAGE_MILLISECONDS.labels)
_request = cache(REQUESTS.labels)
_decision = cache(DECISIONS.labels)
_score = cache(SCORE.labels)
_rung_of = cache(RUNG.labels)


def count_request(protocol: str, status: str) -> None:
    """Count one request."""
    _request(protocol, status).inc()


def time_answer(milliseconds: float) -> None:
    """Note the time from a request's first byte to its answer."""
    _stage("total").observe(milliseconds)


def count_answer(track: str, answer: Prediction, *, stored: bool) -> None:
    """Count one answer: its decision, its score, its rung, and the health of its features."""
    health = answer.features
    _decision(track, answer.decision.value).inc()
    if answer.probability is not None:
        _score(track).observe(answer.probability)
        _rung_of("stale" if health.degraded else "full").inc()
    else:
        _rung_of("predictor" if stored else "store").inc()
    for entity in health.missing:
        MISSING.labels(entity).inc()
    for view in health.stale:
        STALE.labels(view).inc()
    if health.late:
        LATE.inc()
    if health.degraded:
        DEGRADED.inc()
    if health.age_seconds is not None:
        FEATURE_AGE_SECONDS.observe(health.age_seconds)


def count_rules(verdict: Verdict) -> None:
    """Count the rules that fired for one instance."""
    for name in verdict.fired:
        RULES.labels(name, "active").inc()
    for name in verdict.shadow:
        RULES.labels(name, "shadow").inc()


class stage:  # noqa: N801 (read as a word of the language: ``with stage("parse")``)
    """Measure one stage, also when it fails.

    A class, because a generator would take longer than what it measures here and there.
    """

    __slots__ = ("_name", "_started")

    def __init__(self, name: str) -> None:
        """Take the name of the stage."""
        self._name = name

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        _stage(self._name).observe((time.perf_counter() - self._started) * 1_000)
