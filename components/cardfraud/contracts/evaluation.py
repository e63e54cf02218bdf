"""What evaluation leaves beside a candidate, and what publication asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from cardfraud.contracts.bundle import Digest, Hex

EVALUATION_FILE: Final = "evaluation.json"
POLICY_FILE: Final = "policy.json"


class Evaluation(BaseModel):
    """The verdict over one candidate; written after the files that it names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    run_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    model_sha256: Hex
    """The graph that was judged, and no other, may be published on this verdict."""
    compared_with: Literal["champion", "challenger", "none"]
    compared_bundle: Digest | None
    """What that alias named; None where nobody had set it."""
    policy: Digest
    passed: bool
    reasons: tuple[str, ...]
    """One sentence for each check that failed."""
    files: Mapping[str, Hex]
    """SHA-256 of ``metrics.json``, ``card.md`` and ``policy.json``."""
