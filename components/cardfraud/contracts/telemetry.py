"""The prediction log's rows: everything that is needed to judge or repeat a decision.

In memory the rows of one request lie together, column by column, as :class:`ServedDecisions`, and
carry ids as they came. In a file they are rows of :data:`PREDICTION_COLUMNS`, and an id is a keyed
hash: rows of one transaction can be joined, but nobody can be named from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PREDICTION_SCHEMA_VERSION: Final = 2

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
    "rule_values",
)
"""Columns of a file. Version 1 had all but ``rule_values``: the values, by name, that the policy's
rules read, as float64; NaN where a value was missing."""


@dataclass(frozen=True, slots=True)
class ServedVersions:
    """What decided: made once, and again when one of them changes.

    Attributes:
        track: stable, canary or shadow.
        bundle: bundle digest.
        policy: policy digest.
        feature_set: digest of the feature definitions.
        rule_fields: names of the values that the policy's rules read.
    """

    track: str
    bundle: str
    policy: str
    feature_set: str
    rule_fields: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class ServedDecisions:
    """N decisions of one request, one entry of each column a decision.

    It is made for every request, so it is a plain record: nothing is checked and nothing copied.
    Nobody changes it, or what it holds, once the log has it.

    Attributes:
        versions: what decided.
        request_id: of the request that carried the instances.
        served_at_us: microseconds since 1970-01-01 UTC, by the server's clock.
        latency_ms: from the first byte read to the answer.
        transaction_ids: as they came; they are hashed before anything is written.
        event_times_us: microseconds since 1970-01-01 UTC.
        vector: [N, F] float32, the model's input in the signature's order.
        scores: probabilities; None where rules alone decided.
        decisions: approve, review or decline.
        degraded: whether the features were.
        ages: seconds of the oldest state that was used; None where there was none.
        rule_values: for each of ``versions.rule_fields`` [N] float64, NaN where there is no value.
        propensity: probability with which each decision was taken; 1.0 while nothing explores.
    """

    versions: ServedVersions
    request_id: str
    served_at_us: int
    latency_ms: float
    transaction_ids: Sequence[str]
    event_times_us: Sequence[int]
    vector: NDArray[np.float32]
    scores: Sequence[float] | NDArray[np.float32] | None
    decisions: Sequence[str]
    degraded: Sequence[bool]
    ages: Sequence[float | None]
    rule_values: Sequence[NDArray[np.float64]] = ()
    propensity: float = 1.0

    def __len__(self) -> int:
        """Number of decisions."""
        return len(self.transaction_ids)


_BLOCK: Final = 64
"""Bytes that SHA-256 works on at a time, and to which HMAC pads its key."""


class Pseudonyms:
    """Keyed hashes that stand for identifiers: HMAC-SHA-256 (RFC 2104), 32 hexadecimal digits.

    The two halves of the key are hashed once: with ``hmac.new`` each identifier takes twice as
    long. Equal keys give equal hashes, so whoever has the key can join the log to what it knows.
    """

    def __init__(self, key: bytes) -> None:
        """Take the key."""
        padded = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in padded))

    def of(self, identifiers: Iterable[str]) -> list[str]:
        """Return the hash of each identifier."""
        inner, outer = self._inner.copy, self._outer.copy
        hashes: list[str] = []
        for identifier in identifiers:
            first: Any = inner()
            first.update(identifier.encode())
            second: Any = outer()
            second.update(first.digest())
            hashes.append(second.hexdigest()[:32])
        return hashes


def hashed(identifier: str, key: bytes) -> str:
    """Return the hash of one identifier, see :class:`Pseudonyms`."""
    return Pseudonyms(key).of([identifier])[0]
