"""What a publication is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class PublishConfig(BaseModel):
    """One candidate and the aliases that shall name it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """The candidate's run."""
    aliases: Annotated[tuple[Literal["challenger", "champion"], ...], Field(min_length=1)] = (
        "challenger",
        "champion",
    )
    """Moved in this order, the bundle's and the policy's alike; a champion that there is already
    only by a candidate that was compared with it."""
