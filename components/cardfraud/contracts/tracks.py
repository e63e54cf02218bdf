"""Aliases and tracks: the pointers, the only things in the registry that change."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from cardfraud.contracts.bundle import Digest
from cardfraud.contracts.frozen import Frozen

TRACKS_SCHEMA_VERSION: Final = 1
WHOLE: Final = 100

AliasName = Literal["champion", "challenger", "shadow"]
TrackName = Literal["stable", "canary", "shadow"]


class Alias(Frozen):
    """A name for a digest, moved by a conditional write."""

    schema_version: Literal[1] = 1
    name: str
    digest: Digest
    previous: Digest | None = None
    """What the alias named before, which is the way back."""
    paired_with: Digest | None = None
    """The other half: of a bundle's alias the policy that came with it, of a policy's alias the
    bundle that it was meant for. None where nobody said so."""


class Track(Frozen):
    """What one track serves and how much of the traffic it gets."""

    bundle: Digest
    policy: Digest
    weight: Annotated[int, Field(ge=0, le=WHOLE)]
    """Share of the answers, in percent."""
    mirror: Annotated[int, Field(ge=0, le=WHOLE)] = 0
    """Share of the requests copied to it, in percent; its answers are thrown away."""


class Tracks(Frozen):
    """The desired state of serving: ``tracks.json``."""

    schema_version: Literal[1] = TRACKS_SCHEMA_VERSION
    model: str
    tracks: dict[TrackName, Track]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = sum(track.weight for track in self.tracks.values())
        if total != WHOLE:
            msg = f"weights must add up to {WHOLE}, they add up to {total}"
            raise ValueError(msg)
        shadow = self.tracks.get("shadow")
        if shadow is not None and shadow.weight:
            msg = "shadow answers nobody: its weight must be 0"
            raise ValueError(msg)
        return self
