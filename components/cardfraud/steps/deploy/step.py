"""Deploy one bundle with one policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from pydantic import BaseModel, ConfigDict

from cardfraud.adapters.bundles import Bundle, load_bundle, load_policy
from cardfraud.adapters.pointers import paired_policy, read_alias, update_tracks
from cardfraud.contracts import keys
from cardfraud.contracts.tracks import WHOLE, Track, Tracks
from cardfraud.errors import Conflict, IntegrityError, NotFound
from cardfraud.features.definitions import FEATURE_NAMES, feature_set_digest
from cardfraud.scoring.decision import check_rules
from cardfraud.steps.deploy.config import DeployConfig

if TYPE_CHECKING:
    from cardfraud.adapters.object_store import ObjectStore

_log = structlog.get_logger(__name__)


class DeployResult(BaseModel):
    """The desired state of serving as it is now."""

    model_config = ConfigDict(frozen=True)

    tracks: Tracks


def run(config: DeployConfig, store: ObjectStore) -> DeployResult:
    """Let the stable track serve a bundle with a policy, and give it all traffic.

    Both are read and verified first, so that a track never names what a server would refuse. A
    policy that was not named is the one that goes with the bundle, never that of another. A shadow
    track stays.

    Raises:
        NotFound: the alias is not set, it names no policy for the bundle, or the bundle or policy
            does not exist.
        IntegrityError: the bundle or the policy is damaged, or the bundle was trained on other
            features than servers of this version compute.
        InvalidSetting: a rule of the policy reads a value that no request has.
        Conflict: a canary has traffic, or others kept writing the tracks first.
        Unavailable: the object store does not answer, or ignores the conditions of writes.
    """
    store.check_conditional_writes()
    bundle = config.bundle or read_alias(store, "models", config.model, config.alias).digest
    policy = config.policy or _policy_of(store, config, bundle)
    _check_feature_set(load_bundle(store, config.model, bundle))
    check_rules(load_policy(store, config.model, policy), FEATURE_NAMES)

    def change(tracks: Tracks | None) -> Tracks:
        others = dict(tracks.tracks) if tracks else {}
        canary = others.pop("canary", None)
        if canary is not None and canary.weight:
            raise Conflict(
                keys.tracks(config.model),
                f"a canary has {canary.weight} % of the traffic",
                hint="finish the rollout or roll it back first",
            )
        stable = Track(bundle=bundle, policy=policy, weight=WHOLE)
        return Tracks(model=config.model, tracks={**others, "stable": stable})

    written = update_tracks(store, config.model, change)
    _log.info("deployed", bundle=bundle, policy=policy)
    return DeployResult(tracks=written)


def _check_feature_set(bundle: Bundle) -> None:
    trained_on, computed = bundle.signature.feature_set_digest, feature_set_digest()
    if trained_on != computed:
        raise IntegrityError(
            "signature.json: feature_set_digest",
            computed,
            trained_on,
            hint="the bundle was trained on other features than its servers would compute",
        )


def _policy_of(store: ObjectStore, config: DeployConfig, bundle: str) -> str:
    found = paired_policy(store, config.model, config.alias, bundle)
    if found is None:
        what = f"under the alias {config.alias} for {bundle}"
        raise NotFound("policy", what, hint="name one with --policy")
    return found
