"""Everything that must be true before the transformer may serve."""

from __future__ import annotations

from dataclasses import dataclass

from cardfraud.adapters.bundle_cache import BundleCache, Origin, cached_bundle, cached_policy
from cardfraud.adapters.bundles import Bundle
from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts.policy import Policy
from cardfraud.contracts.scoring import ModelVersion, PolicyVersion
from cardfraud.errors import IntegrityError
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.scoring.assembly import positions
from cardfraud.scoring.decision import check_rules
from cardfraud_inference.settings import TransformerSettings
from cardfraud_inference.transformer.answers import Served


@dataclass(frozen=True, slots=True)
class Verified:
    """What was verified, and whether all of it came from the registry itself."""

    served: Served
    bundle: Bundle
    origin: Origin


def verify(
    settings: TransformerSettings,
    objects: ObjectStore,
    features: FeatureStore,
    cache: BundleCache | None,
) -> Verified:
    """Verify the bundle, the policy and the feature store, and that the three belong together.

    Raises:
        IntegrityError: a checksum, a digest or the feature set is not what it must be.
        InvalidSetting: the policy has a rule over a value that there is not.
        Unavailable: the object store does not answer, and the cache does not have all.
        NotFound: there is no such bundle or policy.
    """
    bundle, bundle_from = cached_bundle(objects, settings.model_name, settings.bundle, cache)
    policy, policy_from = cached_policy(objects, settings.model_name, settings.policy, cache)
    feature_set = features.check()
    signature = bundle.signature
    if signature.feature_set_digest != feature_set:
        raise IntegrityError(
            "signature.json: feature_set_digest",
            feature_set,
            signature.feature_set_digest,
            hint="the bundle was trained on other features than this feature store has",
        )
    inputs = tuple(column.name for column in signature.inputs)
    served = Served(
        model=ModelVersion(name=settings.model_name, version=settings.bundle, track=settings.track),
        policy=verified_policy(policy),
        policy_version=PolicyVersion(version=settings.policy),
        feature_set=feature_set,
        inputs=inputs,
        positions=positions(inputs),
    )
    from_cache = Origin.CACHE in {bundle_from, policy_from, features.registry_origin}
    return Verified(served, bundle, Origin.CACHE if from_cache else Origin.REGISTRY)


def verified_policy(policy: Policy) -> Policy:
    """Return the policy if every rule of it can be evaluated here.

    Raises:
        InvalidSetting: a rule reads a value that no request has.
    """
    check_rules(policy, FEATURE_NAMES)
    return policy
