"""What a deployment is told."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from cardfraud.contracts.bundle import Digest
from cardfraud.contracts.tracks import AliasName


class DeployConfig(BaseModel):
    """Which bundle and which policy the stable track shall serve."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] = "fraud"
    alias: AliasName = "champion"
    """Names the bundle, and the policy that goes with it, where they are not given."""
    bundle: Digest | None = None
    policy: Digest | None = None
