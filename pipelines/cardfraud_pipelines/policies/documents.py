"""Policies as files that people edit, and as digests that name them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from cardfraud.adapters.bundles import load_policy
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.pointers import read_tracks
from cardfraud.contracts.policy import Policy
from cardfraud.contracts.tracks import Track, TrackName
from cardfraud.errors import InvalidSetting
from cardfraud.steps.deploy.policy_change import track_of

_DIGEST: Final = re.compile(r"sha256-[0-9a-f]{64}")
_MOST_FAULTS: Final = 5


def text(policy: Policy) -> str:
    """Return a policy as a person reads and edits it."""
    return json.dumps(policy.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)


def served(store: ObjectStore, model: str, track: TrackName) -> Track:
    """Return what a track serves.

    Raises:
        NotFound: nothing is deployed on it.
    """
    return track_of(read_tracks(store, model).tracks, track)


def named(store: ObjectStore, model: str, target: str) -> Policy:
    """Return the policy that a digest or a path names.

    Raises:
        NotFound: there is no policy of that digest.
        InvalidSetting: there is no such file, or it holds no policy; each fault is named.
    """
    return load_policy(store, model, target) if _DIGEST.fullmatch(target) else _read(Path(target))


def _read(path: Path) -> Policy:
    try:
        content = path.read_bytes()
    except OSError as error:
        hint = "name a file, or a digest: sha256-<64 hex digits>"
        raise InvalidSetting(str(path), error.strerror or "cannot be read", hint=hint) from error
    try:
        return Policy.model_validate_json(content)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        said = [f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in faults]
        more = f" (and {len(said) - _MOST_FAULTS} more)" if len(said) > _MOST_FAULTS else ""
        hint = "cardfraud policy show prints one to start from"
        raise InvalidSetting(str(path), "; ".join(said[:_MOST_FAULTS]) + more, hint=hint) from error
