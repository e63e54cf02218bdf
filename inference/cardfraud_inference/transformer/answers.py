"""From probabilities to answers, and from answers to rows of the prediction log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from cardfraud.contracts.policy import Policy
from cardfraud.contracts.scoring import ModelVersion, PolicyVersion, Prediction
from cardfraud.contracts.telemetry import PredictionRecord, hashed
from cardfraud.contracts.transactions import Transaction
from cardfraud.scoring.assembly import Assembly
from cardfraud.scoring.decision import decide


@dataclass(frozen=True, slots=True)
class Served:
    """What this process serves, verified.

    Attributes:
        model: as each answer names it.
        policy: that decides.
        policy_version: as each answer names it.
        feature_set: digest of the feature definitions.
        log_key: key of the hashes that stand for ids.
    """

    model: ModelVersion
    policy: Policy
    policy_version: PolicyVersion
    feature_set: str
    log_key: SecretStr


def predictions(
    served: Served,
    transactions: Sequence[Transaction],
    assembly: Assembly,
    scores: NDArray[np.float32] | None,
) -> list[Prediction]:
    """Decide each of N transactions.

    Args:
        served: model and policy.
        transactions: N transactions.
        assembly: their features.
        scores: [N] float32; None where rules alone decide.
    """
    answers: list[Prediction] = []
    for index, transaction in enumerate(transactions):
        probability = None if scores is None else float(scores[index])
        health = assembly.health[index]
        verdict = decide(served.policy, probability, assembly.row(index), degraded=health.degraded)
        answers.append(
            Prediction(
                transaction_id=transaction.transaction_id,
                probability=probability,
                decision=verdict.decision,
                reasons=verdict.reasons,
                model=served.model,
                policy=served.policy_version,
                features=health,
            )
        )
    return answers


def to_tensors(answers: Sequence[Prediction]) -> dict[str, NDArray[Any]]:
    """Return the outputs of v2: probability FP32 (NaN for null), decision and detail BYTES."""
    scores = [np.nan if one.probability is None else one.probability for one in answers]
    texts = {
        "decision": [one.decision.value.encode() for one in answers],
        "detail": [one.model_dump_json().encode() for one in answers],
    }
    tensors: dict[str, NDArray[Any]] = {"probability": np.array(scores, dtype=np.float32)}
    for name, column in texts.items():
        tensors[name] = np.array(column, dtype=np.object_)
    return tensors


def records(
    served: Served,
    transactions: Sequence[Transaction],
    assembly: Assembly,
    answers: Sequence[Prediction],
    *,
    request_id: str,
    served_at_us: int,
    latency_ms: float,
) -> list[PredictionRecord]:
    """Return the rows of the prediction log of one request."""
    key = served.log_key.get_secret_value().encode()
    vector = np.ascontiguousarray(assembly.vector, dtype="<f4")
    return [
        PredictionRecord(
            request_id=request_id,
            transaction_key=hashed(transaction.transaction_id, key),
            event_time_us=transaction.event_time_us,
            served_at_us=served_at_us,
            track=served.model.track,
            bundle=served.model.version,
            policy=served.policy_version.version,
            feature_set=served.feature_set,
            vector=vector[index].tobytes(),
            score=answer.probability,
            decision=answer.decision.value,
            propensity=1.0,
            degraded=answer.features.degraded,
            age_seconds=answer.features.age_seconds,
            latency_ms=latency_ms,
        )
        for index, (transaction, answer) in enumerate(zip(transactions, answers, strict=True))
    ]
