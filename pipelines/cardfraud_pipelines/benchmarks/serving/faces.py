"""The faces of the servers under load: how a sample is asked, and whether its answer is right."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from cardfraud_pipelines.benchmarks.serving.samples import Sample, Samples

FaceName = Literal["baseline", "decision", "plain", "v1", "v2", "raw"]
TOLERANCE: Final = 1e-5
"""Largest difference between an answer's probability and the estimator's."""
MODEL: Final = "fraud"
_CONTRIBUTION: Final = ("amount: ", "merchant: ", "user: ", "time: ")
"""How a sentence begins that says what contributed to a score."""
_JSON: Final = {"content-type": "application/json"}
_HEAD_LENGTH: Final = "inference-header-content-length"


@dataclass(frozen=True, slots=True)
class Asked:
    """The body of one sample: bytes before and after the request's number."""

    before: bytes
    after: bytes = b""
    numbered: bool = False

    def body(self, number: int) -> bytes:
        """Return the bytes to send; each number gives another transaction."""
        return self.before + b"%012d" % number + self.after if self.numbered else self.before


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer says; None for what this way to ask does not answer."""

    probability: float
    decision: str | None = None
    reasons: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Face:
    """One way to ask.

    Attributes:
        path: of the URL.
        ask: the body of a sample, given the names of the columns.
        read: what an answer says: header, body.
        headers: to send along with a body.
    """

    path: str
    ask: Callable[[Sample, tuple[str, ...]], Asked]
    read: Callable[[bytes, bytes], Answered]
    headers: Callable[[Samples], Mapping[str, str]] = field(default=lambda _: _JSON)

    def fault(self, sample: Sample, head: bytes, body: bytes) -> str | None:
        """Return what is wrong with an answer, or None."""
        if not head.startswith(b"HTTP/1.1 200 "):
            return f"{head[:12].decode(errors='replace')}: {body[:300].decode(errors='replace')}"
        try:
            answered = self.read(head, body)
            distance = abs(answered.probability - sample.probability)
        except (ValueError, KeyError, IndexError, TypeError, struct.error) as error:
            return f"cannot be read ({error!r:.80}): {body[:300]!r}"
        if distance > TOLERANCE:
            return f"probability {answered.probability}, expected {sample.probability}"
        if answered.decision is not None and answered.decision != sample.decision:
            return f"decision {answered.decision}, expected {sample.decision}"
        return None if answered.reasons is None else _unreasonable(sample, answered.reasons)


def _unreasonable(sample: Sample, reasons: tuple[str, ...]) -> str | None:
    """Return what is wrong with the reasons of an answer, or None.

    Whatever the policy says must be there, and nothing else but contributions. A score above the
    threshold has at least one: together they lead from an ordinary transaction to that score. What
    a rule alone decided may have none, where every contribution is too small to be said.
    """
    contributions = [one for one in reasons if one.startswith(_CONTRIBUTION)]
    said = [one for one in reasons if one not in contributions]
    if sorted(said) != sorted(sample.reasons):
        return f"reasons {said}, expected {list(sample.reasons)}"
    if sample.contributes and not contributions:
        return f"no contribution beside {said}"
    if sample.decision == "approve" and contributions:
        return f"approved, and yet {contributions}"
    return None


def _named(sample: Sample, columns: tuple[str, ...]) -> Asked:
    return Asked(orjson.dumps(dict(zip(columns, sample.vector, strict=True))))


def _features(sample: Sample, columns: tuple[str, ...]) -> Asked:
    return Asked(orjson.dumps({"features": dict(zip(columns, sample.vector, strict=True))}))


def _read_named(_: bytes, body: bytes) -> Answered:
    return Answered(orjson.loads(body)["probability"])


def _transaction(sample: Sample, _: tuple[str, ...]) -> Asked:
    mark = "000000000000"
    text = orjson.dumps({"instances": [sample.transaction | {"transaction_id": mark}]})
    before, after = text.split(mark.encode(), 1)
    return Asked(before, after, numbered=True)


def _read_decision(_: bytes, body: bytes) -> Answered:
    (answer,) = orjson.loads(body)["predictions"]
    health = answer["features"]
    if health["degraded"] or health["missing"] or health["stale"]:
        raise ValueError(f"answered on less than all: {health}")
    return Answered(answer["probability"], answer["decision"], tuple(answer["reasons"]))


def _row(sample: Sample, _: tuple[str, ...]) -> Asked:
    return Asked(orjson.dumps({"instances": [sample.vector]}))


def _read_row(_: bytes, body: bytes) -> Answered:
    return Answered(orjson.loads(body)["predictions"][0])


def _tensor(sample: Sample, **further: Any) -> dict[str, Any]:
    return {
        "name": "features",
        "datatype": "FP32",
        "shape": [1, len(sample.vector)],
        **further,
    }


def _tensor_as_json(sample: Sample, _: tuple[str, ...]) -> Asked:
    return Asked(orjson.dumps({"inputs": [_tensor(sample, data=sample.vector)]}))


def _read_tensor_as_json(_: bytes, body: bytes) -> Answered:
    return Answered(orjson.loads(body)["outputs"][0]["data"][0])


def _raw_head(sample: Sample) -> bytes:
    size = {"binary_data_size": 4 * len(sample.vector)}
    inputs = [_tensor(sample, parameters=size)]
    return orjson.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}})


def _raw(sample: Sample, _: tuple[str, ...]) -> Asked:
    return Asked(_raw_head(sample) + struct.pack(f"<{len(sample.vector)}f", *sample.vector))


def _raw_headers(samples: Samples) -> Mapping[str, str]:
    return {
        "content-type": "application/octet-stream",
        _HEAD_LENGTH: str(len(_raw_head(samples.samples[0]))),
    }


def _read_raw(_: bytes, body: bytes) -> Answered:
    return Answered(struct.unpack("<f", body[-4:])[0])


FACES: Final[Mapping[FaceName, Face]] = {
    "baseline": Face("/predict", _named, _read_named),
    "decision": Face(f"/v1/models/{MODEL}:predict", _transaction, _read_decision),
    "plain": Face("/predict", _features, _read_named),
    "v1": Face(f"/v1/models/{MODEL}:predict", _row, _read_row),
    "v2": Face(f"/v2/models/{MODEL}/infer", _tensor_as_json, _read_tensor_as_json),
    "raw": Face(f"/v2/models/{MODEL}/infer", _raw, _read_raw, _raw_headers),
}
