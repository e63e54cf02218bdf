"""Change the policy of what is served, and nothing else: no new model, no restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from pydantic import BaseModel, ConfigDict

from cardfraud.adapters.bundles import publish_policy
from cardfraud.adapters.pointers import alias_digest, move_alias, read_tracks, update_tracks
from cardfraud.contracts import keys
from cardfraud.contracts.policy import Policy
from cardfraud.contracts.tracks import AliasName, Track, TrackName, Tracks
from cardfraud.errors import Conflict, NotFound
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.scoring.decision import check_rules

if TYPE_CHECKING:
    from cardfraud.adapters.object_store import ObjectStore

_log = structlog.get_logger(__name__)

ALIASES: Final[dict[TrackName, AliasName]] = {
    "stable": "champion",
    "canary": "challenger",
    "shadow": "shadow",
}
"""The alias that goes with a track, so that the next deployment finds the same policy."""


class PolicyChange(BaseModel):
    """What decided on a track before, and what decides from now on."""

    model_config = ConfigDict(frozen=True)

    model: str
    track: TrackName
    bundle: str
    before: str
    after: str
    alias: AliasName
    """The alias that goes with the track; it names ``after`` now."""
    alias_before: str | None
    """What it named before. Not ``before`` after an interruption or a deployment by digest."""


def apply_policy(
    store: ObjectStore, model: str, policy: Policy, track: TrackName = "stable"
) -> PolicyChange:
    """Publish a policy, let a track decide by it, and move the alias that goes with the track.

    Running servers of the track find it at their next look. Running this again after it was
    interrupted completes it.

    Raises:
        NotFound: nothing is deployed on the track.
        InvalidSetting: a rule reads a value that no request has.
        Conflict: somebody else changed the track's policy, or its alias, at the same time.
        Unavailable: the object store does not answer, or ignores the conditions of writes.
    """
    check_rules(policy, FEATURE_NAMES)
    store.check_conditional_writes()
    seen = alias_digest(store, "policies", model, ALIASES[track])
    before = track_of(read_tracks(store, model).tracks, track)
    digest = publish_policy(store, model, policy)

    def change(tracks: Tracks | None) -> Tracks:
        if tracks is None:
            raise NotFound("tracks", model, hint="deploy a bundle first")
        now = track_of(tracks, track)
        if now.policy not in {before.policy, digest}:
            reason = f"somebody else gave {track} the policy {now.policy} meanwhile"
            raise Conflict(keys.tracks(model), reason, hint="look at it, then apply yours again")
        changed = now.model_copy(update={"policy": digest})
        return tracks.model_copy(update={"tracks": {**tracks.tracks, track: changed}})

    written = track_of(update_tracks(store, model, change), track)
    move_alias(
        store,
        "policies",
        model,
        ALIASES[track],
        digest,
        expected=seen,
        paired_with=written.bundle,
    )
    _log.info("policy_applied", track=track, before=before.policy, after=digest)
    return PolicyChange(
        model=model,
        track=track,
        bundle=written.bundle,
        before=before.policy,
        after=digest,
        alias=ALIASES[track],
        alias_before=seen,
    )


def track_of(tracks: Tracks, track: TrackName) -> Track:
    """Return one track.

    Raises:
        NotFound: nothing is deployed on it.
    """
    found = tracks.tracks.get(track)
    if found is None:
        raise NotFound("track", track, hint=f"there are: {', '.join(sorted(tracks.tracks))}")
    return found
