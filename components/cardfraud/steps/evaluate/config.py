"""What an evaluation is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cardfraud.contracts.policy import (
    CostMatrix,
    Decision,
    GateLimits,
    Policy,
    Rule,
    Thresholds,
    WhenPredictorFails,
)


class PolicyDraft(BaseModel):
    """A policy whose thresholds may still have to be chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    thresholds: Thresholds | None = None
    """None chooses them on the candidate's validation scores."""
    decline_precision: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Share of frauds that what is declined must reach on the validation rows."""
    alert_budget_per_day: Annotated[int, Field(ge=1)] = 100
    costs: CostMatrix = CostMatrix()
    rules: tuple[Rule, ...] = ()
    gate: GateLimits = GateLimits()
    when_predictor_fails: WhenPredictorFails = WhenPredictorFails.RULES
    when_degraded: Literal[Decision.APPROVE, Decision.REVIEW] = Decision.REVIEW

    def complete(self, thresholds: Thresholds) -> Policy:
        """Return the policy with these thresholds; it says how they were chosen, if they were."""
        given = {"decline_precision"} if self.thresholds is not None else set()
        fields = self.model_dump(exclude={"thresholds", *given})
        return Policy(thresholds=thresholds, **fields)


class EvaluateConfig(BaseModel):
    """One candidate, what it is compared with, and the policy that judges it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    run_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """The candidate's run."""
    compare_with: Literal["champion", "challenger", "none"] = "champion"
    """The alias to compare with; ``none`` judges the candidate by itself, which publishes a first
    champion or a challenger, and never in the place of a champion."""
    policy: PolicyDraft = PolicyDraft()
    allow_looser_limits: bool = False
    """Whether the gate's limits may be looser than the defaults and those of the champion's policy;
    where they are, verdict, report and model card name them."""
    card_precision_k: Annotated[int, Field(ge=1)] = 100
    latency_samples: Annotated[int, Field(ge=0, le=100_000)] = 2000
    """Single rows to time; 0 does not measure the latency, which the policy must allow."""
    importance_rows: Annotated[int, Field(ge=0, le=1_000_000)] = 3_000
    """Held-out rows on which features are permuted; 0 does not measure their importance."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of the bootstrap, of the permutations, and of the rows that are timed."""
