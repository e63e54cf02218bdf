"""The policy: how a probability becomes a decision, and when a model is good enough to serve.

A policy is content-addressed and versioned apart from the model, so that a threshold moves without
a new model and a model moves without a new threshold.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from cardfraud.contracts.digests import canonical_json, content_address
from cardfraud.contracts.frozen import Frozen

POLICY_SCHEMA_VERSION: Final = 1

Share = Annotated[float, Field(ge=0, le=1)]


class Decision(StrEnum):
    """What happens to the transaction."""

    APPROVE = "approve"
    REVIEW = "review"
    DECLINE = "decline"


class Thresholds(Frozen):
    """Probabilities from which a transaction is reviewed and from which it is declined."""

    review: Share
    decline: Share

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.review > self.decline:
            msg = "review must not lie above decline"
            raise ValueError(msg)
        return self


class CostMatrix(Frozen):
    """What mistakes cost, in major units of the deployment's currency.

    A missed fraud costs its amount times ``missed_fraud_share``; every reviewed or declined
    transaction costs ``review``; declining a good one costs ``false_decline`` on top.
    """

    missed_fraud_share: Annotated[float, Field(ge=0)] = 1.0
    review: Annotated[float, Field(ge=0)] = 5.0
    false_decline: Annotated[float, Field(ge=0)] = 10.0


class _Grown(Frozen):
    """Leaves out, when it is written, each of its ``later`` fields that has its default value.

    So a document that was written before such a field existed keeps its bytes and its digest.
    """

    later: ClassVar[frozenset[str]]

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        for name in self.later:
            if getattr(self, name) == fields[name].default:
                document.pop(name, None)
        return document


class Condition(Frozen):
    """``field op value`` over the feature values of a request, for example ``amount gt 1000``.

    It does not hold where the value is missing. Both sides are compared in 32 bits, some seven
    digits: so features are kept, and so a rule decides alike in service, in the gate and in a
    backtest, at the very bound too.
    """

    field: str
    op: Literal["gt", "ge", "lt", "le"]
    value: float


class Rule(Condition, _Grown):
    """A rule beside the model: it may make a decision stricter, never milder.

    It fires where its own condition and all those in ``also`` hold.
    """

    later: ClassVar[frozenset[str]] = frozenset({"also", "mode"})

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    decision: Literal[Decision.REVIEW, Decision.DECLINE]
    reason: Annotated[str, Field(min_length=1, max_length=200)]
    also: Annotated[tuple[Condition, ...], Field(max_length=8)] = ()
    """Further conditions, all of which must hold, too."""
    mode: Literal["active", "shadow"] = "active"
    """A shadow rule is evaluated and counted, but decides nothing."""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Everything that must hold."""
        return (self, *self.also)


class GateLimits(_Grown):
    """What a candidate must show before it may be published."""

    later: ClassVar[frozenset[str]] = frozenset(
        {
            "min_fraud_cards",
            "max_cost_increase",
            "max_flagged_calibration_gap",
            "allow_unmeasured_latency",
        }
    )

    min_positives: Annotated[int, Field(ge=1)] = 50
    """Frauds in the held-out time; below it no figure means anything."""
    min_fraud_cards: Annotated[int, Field(ge=1)] = 20
    """Cards with a fraud in the held-out time: frauds of one card are one piece of evidence."""
    min_average_precision: Share = 0.2
    max_average_precision: Share = 0.99
    """A score above this is too good to be true: a leak is more likely than a miracle."""
    max_average_precision_drop: Share = 0.01
    """How far the paired bootstrap interval of (candidate - champion) may reach below zero."""
    max_cost_increase: Annotated[float, Field(ge=0)] = 0.1
    """How far the paired bootstrap interval of (candidate's cost / champion's cost - 1) may reach
    above zero, each by its own thresholds and active rules, priced by this policy's cost matrix and
    by that of the champion's."""
    min_distinct_scores: Annotated[int, Field(ge=2)] = 10
    """A scorer with fewer distinct scores is constant for all purposes."""
    max_calibration_error: Share = 0.05
    """Over all rows. Nearly all of them are legitimate and score near zero, so that it says little
    about the scores that decide; the next limit does."""
    max_flagged_calibration_gap: Share = 0.15
    """Largest difference between the mean probability of the rows from the review threshold on and
    their share of frauds. A larger one fails unless chance explains it; below 50 such rows it is
    not judged."""
    max_segment_gap: Share = 0.01
    """Largest difference of the false positive rate between segments, of what is stopped and of
    what is declined: at 0.01, of a hundred good transactions one more is stopped in one segment
    than in another. A larger difference fails unless chance explains it."""
    allow_unassessed_fairness: bool = True
    """Whether data without segments passes, with the words "fairness: not assessed"."""
    max_latency_p99_ms: Annotated[float, Field(gt=0)] = 10.0
    """99th percentile of scoring one transaction with the model, where it was measured."""
    allow_unmeasured_latency: bool = True
    """Whether an evaluation that did not measure the latency passes, which its sentence says."""
    bootstrap_samples: Annotated[int, Field(ge=100, le=10_000)] = 500
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95

    @model_validator(mode="after")
    def _chance_can_be_ruled_out(self) -> Self:
        # The smallest p-value that so many permutations can give; above it no segment would fail.
        if 1 / (1 + self.bootstrap_samples) > 1 - self.confidence:
            msg = (
                f"{self.bootstrap_samples} bootstrap_samples are too few for a confidence of "
                f"{self.confidence}: 1 / (1 + bootstrap_samples) must not exceed 1 - confidence"
            )
            raise ValueError(msg)
        return self


class WhenPredictorFails(StrEnum):
    """What the transformer answers while the predictor does not."""

    UNAVAILABLE = "unavailable"
    RULES = "rules"


class Policy(_Grown):
    """Thresholds, costs, rules and gate limits, as one immutable document."""

    later: ClassVar[frozenset[str]] = frozenset({"decline_precision"})

    schema_version: Literal[1] = POLICY_SCHEMA_VERSION
    thresholds: Thresholds
    alert_budget_per_day: Annotated[int, Field(ge=1)] = 100
    """Cards that the analysts can look at in a day."""
    decline_precision: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of frauds that what is declined had to reach where the thresholds were chosen; None
    where they were given."""
    costs: CostMatrix = CostMatrix()
    rules: tuple[Rule, ...] = ()
    gate: GateLimits = GateLimits()
    when_predictor_fails: WhenPredictorFails = WhenPredictorFails.RULES
    when_degraded: Literal[Decision.APPROVE, Decision.REVIEW] = Decision.REVIEW
    """The mildest decision while features are degraded or the model cannot be asked."""

    @model_validator(mode="after")
    def _rules_have_names_of_their_own(self) -> Self:
        names = [rule.name for rule in self.rules]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            msg = f"two rules are named {twice}"
            raise ValueError(msg)
        return self

    def encode(self) -> bytes:
        """The canonical bytes that are stored and addressed."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        """Content address of the policy: ``sha256-<hex>``."""
        return content_address(self.encode())
