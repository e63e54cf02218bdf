"""The bundle's ``metrics.json``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from cardfraud.evaluation.gate import GateVerdict
from cardfraud.steps.evaluate.figures import Figures, Latency


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
    latency: Latency | None
    policy_digest: str
    verdict: GateVerdict
