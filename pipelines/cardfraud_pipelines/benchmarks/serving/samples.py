"""What is asked and what the answer must be, from the benchmark to its load tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict


class Sample(BaseModel):
    """One request in all its forms, and its answer.

    Attributes:
        transaction: as a transformer takes it; its id is replaced with each use.
        vector: the forest's columns, as the baseline and a predictor take them.
        probability: of fraud, by the estimator itself.
        decision: by the policy of the benchmark.
        reasons: what the policy must say for it; nothing of what is approved.
        contributes: whether the model must say something too, because the score alone decided.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    transaction: dict[str, Any]
    vector: tuple[float, ...]
    probability: float
    decision: str
    reasons: tuple[str, ...] = ()
    contributes: bool = False


class Samples(BaseModel):
    """All of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[str, ...]
    samples: tuple[Sample, ...]

    @property
    def share_with_reasons(self) -> float:
        """Part of the samples that are not approved, so that their answers carry reasons."""
        return sum(one.decision != "approve" for one in self.samples) / len(self.samples)

    def save(self, path: Path) -> None:
        """Write them for the load tool."""
        path.write_text(self.model_dump_json())

    @staticmethod
    def load(path: Path) -> Samples:
        """Read them back."""
        return Samples.model_validate_json(path.read_bytes())
