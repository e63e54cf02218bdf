"""The bundle's ``metrics.json``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from cardfraud.evaluation.gate import GateVerdict
from cardfraud.evaluation.importance import Importance
from cardfraud.evaluation.slices import WorstSlices
from cardfraud.steps.evaluate.figures import Figures
from cardfraud.steps.evaluate.latency import Latency


class Metrics(BaseModel):
    """What was measured, on what, and the verdict."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    model: str
    algorithm: str
    test_start: str
    test_end: str
    split: str
    candidate: Figures
    champion: Figures | None
    champion_digest: str | None
    champion_policy_digest: str | None
    """The policy by whose thresholds and rules the champion was priced; None without one, and
    where it has no policy, so that the candidate's stood in and the check of cost failed."""
    importance: Importance | None
    """Of the candidate's features; None where it was not asked for."""
    slices: WorstSlices
    """Where the candidate errs most."""
    latency: Latency | None
    policy_digest: str
    verdict: GateVerdict
