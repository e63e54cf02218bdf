"""Everything that must be true before the transformer may serve."""

from __future__ import annotations

from cardfraud.adapters.bundles import load_bundle, load_policy
from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts.scoring import ModelVersion, PolicyVersion
from cardfraud.errors import IntegrityError
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.scoring.decision import check_rules
from cardfraud_inference.settings import TransformerSettings
from cardfraud_inference.transformer.answers import Served


def verify(settings: TransformerSettings, objects: ObjectStore, features: FeatureStore) -> Served:
    """Verify the bundle, the policy and the feature store, and that the three belong together.

    Raises:
        IntegrityError: a checksum, a digest or the feature set is not what it must be.
        InvalidSetting: the policy has a rule over a value that there is not.
        Unavailable: the object store does not answer.
        NotFound: there is no such bundle or policy.
    """
    bundle = load_bundle(objects, settings.model_name, settings.bundle)
    policy = load_policy(objects, settings.model_name, settings.policy)
    check_rules(policy, FEATURE_NAMES)
    feature_set = features.check()
    signature = bundle.signature
    if signature.feature_set_digest != feature_set:
        raise IntegrityError(
            "signature.json: feature_set_digest",
            feature_set,
            signature.feature_set_digest,
            hint="the bundle was trained on other features than this feature store has",
        )
    names = tuple(column.name for column in signature.inputs)
    if names != FEATURE_NAMES:
        raise IntegrityError("signature.json: inputs", str(FEATURE_NAMES), str(names))
    return Served(
        model=ModelVersion(name=settings.model_name, version=settings.bundle, track=settings.track),
        policy=policy,
        policy_version=PolicyVersion(version=settings.policy),
        feature_set=feature_set,
        log_key=settings.prediction_log_key,
    )
