"""Decisions as bytes: what the prediction log keeps of a request until its file is written.

A request is packed while it is answered, when all of it is at hand and in the processor's caches:
that takes 6 us, where gathering the objects of many old requests took 40 us for each, in a thread
that had the interpreter meanwhile. Identifiers become keyed hashes here and are not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from struct import Struct
from typing import Final

import numpy as np

from cardfraud.contracts.policy import Decision
from cardfraud.contracts.telemetry import Pseudonyms, ServedDecisions, ServedVersions
from cardfraud.errors import InvalidFrame

DECISIONS: Final = tuple(decision.value for decision in Decision)
"""A row has the place of its decision in here."""
_CODES: Final = {name: place for place, name in enumerate(DECISIONS)}
DEGRADED: Final = 1
HAS_SCORE: Final = 2
HAS_AGE: Final = 4
"""Flags of a row."""


@dataclass(frozen=True, slots=True, eq=False)
class PackedDecisions:
    """N decisions of one request.

    Attributes:
        versions: what decided.
        width: features of the model.
        request_id: of the request that carried the instances, in UTF-8.
        served_at_us: microseconds since 1970-01-01 UTC.
        rows: N.
        body: N rows of :func:`layout`.
    """

    versions: ServedVersions
    width: int
    request_id: bytes
    served_at_us: int
    rows: int
    body: bytes

    def __len__(self) -> int:
        """Number of decisions."""
        return self.rows

    @property
    def layout(self) -> np.dtype[np.void]:
        """Of a row."""
        return layout(self.width, len(self.versions.rule_fields))

    def first(self, rows: int) -> PackedDecisions:
        """Return the first rows."""
        return replace(self, rows=rows, body=self.body[: rows * self.layout.itemsize])


@cache
def layout(width: int, rule_fields: int) -> np.dtype[np.void]:
    """Return the columns of a row, little-endian and without gaps."""
    return np.dtype(
        [
            ("transaction_key", "u1", (32,)),
            ("event_time", "<i8"),
            ("served_at", "<i8"),
            ("propensity", "<f8"),
            ("latency_ms", "<f8"),
            ("score", "<f4"),
            ("age_seconds", "<f8"),
            ("decision", "i1"),
            ("flags", "u1"),
            ("vector", "<f4", (width,)),
            ("rule_values", "<f8", (rule_fields,)),
        ]
    )


@cache
def _row(width: int, rule_fields: int) -> Struct:
    return Struct(f"<32sqqddfdbB{4 * width}s{rule_fields}d")


def pack(decisions: ServedDecisions, pseudonyms: Pseudonyms) -> PackedDecisions:
    """Return the decisions of a request as bytes.

    Raises:
        InvalidFrame: its columns have not one entry for each decision.
        Exception: a value is of another kind than its column; whatever packing it raises.
    """
    _check(decisions)
    vector = np.ascontiguousarray(decisions.vector, dtype=np.float32)
    width, fields = vector.shape[1], len(decisions.versions.rule_fields)
    return PackedDecisions(
        versions=decisions.versions,
        width=width,
        request_id=decisions.request_id.encode(),
        served_at_us=decisions.served_at_us,
        rows=len(vector),
        body=b"".join(_rows(decisions, pseudonyms, vector.tobytes(), _row(width, fields))),
    )


def _rows(
    decisions: ServedDecisions, pseudonyms: Pseudonyms, vectors: bytes, row: Struct
) -> Iterator[bytes]:
    served_at, propensity = decisions.served_at_us, decisions.propensity
    latency, scores, rows = decisions.latency_ms, decisions.scores, len(decisions)
    size = len(vectors) // rows if rows else 0
    rule_values = [column.tolist() for column in decisions.rule_values]
    flags_of_all = 0 if scores is None else HAS_SCORE
    for place, key in enumerate(pseudonyms.of(decisions.transaction_ids)):
        age = decisions.ages[place]
        flags = flags_of_all
        if decisions.degraded[place]:
            flags |= DEGRADED
        if age is not None:
            flags |= HAS_AGE
        yield row.pack(
            key.encode(),
            decisions.event_times_us[place],
            served_at,
            propensity,
            latency,
            0.0 if scores is None else scores[place],
            0.0 if age is None else age,
            _CODES[decisions.decisions[place]],
            flags,
            vectors[place * size : (place + 1) * size],
            *[column[place] for column in rule_values],
        )


def _check(decisions: ServedDecisions) -> None:
    size, fields = len(decisions), len(decisions.versions.rule_fields)
    if not (
        size
        == len(decisions.event_times_us)
        == len(decisions.vector)
        == len(decisions.decisions)
        == len(decisions.degraded)
        == len(decisions.ages)
        and (decisions.scores is None or len(decisions.scores) == size)
        and len(decisions.rule_values) == fields
        and all(len(column) == size for column in decisions.rule_values)
    ):
        reason = f"{size} decisions, {fields} values for rules; a column has another number"
        raise InvalidFrame("prediction log", reason)
