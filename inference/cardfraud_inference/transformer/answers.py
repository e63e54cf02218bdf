"""From probabilities to answers, and from answers to the prediction log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Policy
from cardfraud.contracts.scoring import ModelVersion, PolicyVersion, Prediction
from cardfraud.contracts.telemetry import ServedDecisions, ServedVersions
from cardfraud.contracts.transactions import Transaction
from cardfraud.scoring.assembly import Assembly
from cardfraud.scoring.decision import Verdict, decide, rule_fields


@dataclass(frozen=True)
class Served:
    """What this process serves, verified.

    Attributes:
        model: as each answer names it.
        policy: that decides.
        policy_version: as each answer names it.
        feature_set: digest of the feature definitions.
        inputs: names of the model's inputs, in order.
        positions: where they stand in an assembly's vector; None where both are the same.
    """

    model: ModelVersion
    policy: Policy
    policy_version: PolicyVersion
    feature_set: str
    inputs: tuple[str, ...]
    positions: NDArray[np.intp] | None

    def under(self, policy: Policy, digest: str) -> Served:
        """Return the same with another policy."""
        return replace(self, policy=policy, policy_version=PolicyVersion(version=digest))

    def vector(self, assembly: Assembly) -> NDArray[np.float32]:
        """Return the model's input, [N, F] float32 in the signature's order."""
        whole = assembly.vector
        return whole if self.positions is None else whole.take(self.positions, axis=1)

    @cached_property
    def versions(self) -> ServedVersions:
        """The same for the prediction log."""
        return ServedVersions(
            track=self.model.track,
            bundle=self.model.version,
            policy=self.policy_version.version,
            feature_set=self.feature_set,
            rule_fields=rule_fields(self.policy),
        )


def verdicts(
    policy: Policy, assembly: Assembly, scores: NDArray[np.float32] | None
) -> list[Verdict]:
    """Decide each of N transactions.

    Args:
        policy: that decides.
        assembly: their features.
        scores: [N] float32; None where rules alone decide.
    """
    probabilities = [None] * len(assembly.health) if scores is None else scores.tolist()
    return [
        decide(
            policy,
            probability,
            assembly.row(index),
            degraded=assembly.health[index].degraded,
        )
        for index, probability in enumerate(probabilities)
    ]


def predictions(
    served: Served,
    transactions: Sequence[Transaction],
    assembly: Assembly,
    scores: NDArray[np.float32] | None,
    decided: Sequence[Verdict],
) -> list[Prediction]:
    """Return the answer to each of N transactions."""
    probabilities = [None] * len(decided) if scores is None else scores.tolist()
    return [
        Prediction(
            transaction_id=transaction.transaction_id,
            probability=probability,
            decision=verdict.decision,
            reasons=verdict.reasons,
            model=served.model,
            policy=served.policy_version,
            features=health,
        )
        for transaction, probability, verdict, health in zip(
            transactions, probabilities, decided, assembly.health, strict=True
        )
    ]


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


def for_the_log(
    served: Served,
    transactions: Sequence[Transaction],
    assembly: Assembly,
    answers: Sequence[Prediction],
    *,
    vector: NDArray[np.float32],
    scores: NDArray[np.float32] | None,
    request_id: str,
    served_at_us: int,
    latency_ms: float,
) -> ServedDecisions:
    """Return the decisions of one request as the prediction log takes them."""
    return ServedDecisions(
        versions=served.versions,
        request_id=request_id,
        served_at_us=served_at_us,
        latency_ms=latency_ms,
        transaction_ids=[one.transaction_id for one in transactions],
        event_times_us=[one.event_time_us for one in transactions],
        vector=vector,
        scores=scores,
        decisions=[one.decision.value for one in answers],
        degraded=[one.features.degraded for one in answers],
        ages=[one.features.age_seconds for one in answers],
        rule_values=[assembly.column(name) for name in served.versions.rule_fields],
    )
