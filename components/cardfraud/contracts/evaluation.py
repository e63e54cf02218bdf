"""What evaluation leaves beside a candidate, and what publication asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cardfraud.contracts.bundle import REQUIRED_FILES, Digest, Hex
from cardfraud.contracts.candidate import CANDIDATE_FILE

EVALUATION_SCHEMA_VERSION: Final = 2
EVALUATION_FILE: Final = "evaluation.json"
POLICY_FILE: Final = "policy.json"
BOUND_FILES: Final = (*REQUIRED_FILES, POLICY_FILE, CANDIDATE_FILE)
"""What a verdict is over: all that a bundle consists of, its policy, and what the candidate is."""


class Evaluation(BaseModel):
    """The verdict over one candidate; written after the files that it names.

    Version 1 bound the graph alone of what was trained, so that a signature could be changed after
    the verdict; it is not read any more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[2] = EVALUATION_SCHEMA_VERSION
    run_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    compared_with: Literal["champion", "challenger", "none"]
    compared_bundle: Digest | None
    """What that alias named; None where nobody had set it."""
    policy: Digest
    passed: bool
    reasons: tuple[str, ...]
    """One sentence for each check that failed."""
    files: Mapping[str, Hex]
    """SHA-256 of each of :data:`BOUND_FILES`: what was judged, and nothing else, may be published
    on this verdict. Of ``candidate.json`` it is that of the canonical bytes; through it the rows
    that were judged are bound, too."""

    @model_validator(mode="after")
    def _binds_every_file(self) -> Self:
        apart = set(self.files) ^ set(BOUND_FILES)
        if apart:
            msg = f"files are too few or too many: {sorted(apart)}"
            raise ValueError(msg)
        return self
