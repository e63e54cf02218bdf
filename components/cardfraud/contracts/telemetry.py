"""One row of the prediction log: everything that is needed to judge or repeat a decision.

Identifiers are keyed hashes: rows of one user can be joined, but nobody can be named from them.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

PREDICTION_SCHEMA_VERSION: Final = 1

PREDICTION_COLUMNS: Final = (
    "schema_version",
    "request_id",
    "transaction_key",
    "event_time",
    "served_at",
    "track",
    "bundle",
    "policy",
    "feature_set",
    "vector",
    "score",
    "decision",
    "propensity",
    "degraded",
    "age_seconds",
    "latency_ms",
)


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One served decision.

    Attributes:
        request_id: of the request that carried the instance.
        transaction_key: keyed hash of the transaction id, see :func:`hashed`.
        event_time_us: microseconds since 1970-01-01 UTC.
        served_at_us: likewise, by the server's clock.
        track: stable, canary or shadow.
        bundle: bundle digest.
        policy: policy digest.
        feature_set: digest of the feature definitions.
        vector: float32 bytes of the model's input, little-endian, in the signature's order.
        score: probability, or None when rules alone decided.
        decision: approve, review or decline.
        propensity: probability with which this decision was taken; 1.0 while nothing explores.
        degraded: whether the features were.
        age_seconds: of the oldest state that was used.
        latency_ms: from the first byte read to the answer.
    """

    request_id: str
    transaction_key: str
    event_time_us: int
    served_at_us: int
    track: str
    bundle: str
    policy: str
    feature_set: str
    vector: bytes
    score: float | None
    decision: str
    propensity: float
    degraded: bool
    age_seconds: float | None
    latency_ms: float


def hashed(identifier: str, key: bytes) -> str:
    """HMAC-SHA-256 (RFC 2104) of an identifier, 32 hexadecimal digits."""
    return hmac.new(key, identifier.encode(), sha256).hexdigest()[:32]
