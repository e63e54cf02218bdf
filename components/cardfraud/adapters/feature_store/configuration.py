"""Feast's configuration, made from ours; there is no ``feature_store.yaml``."""

from __future__ import annotations

from typing import Any, Final

from feast import FeatureStore as FeastStore
from feast.infra.online_stores.redis import RedisOnlineStoreConfig
from feast.repo_config import RepoConfig

from cardfraud.adapters.bundle_cache import BundleCache
from cardfraud.adapters.feature_store.registry_store import ObjectRegistryConfig
from cardfraud.adapters.feature_store.settings import FeatureStoreSettings
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys

KEY_SERIALIZATION: Final = 3
"""Version of Feast's layout of keys in Redis; another one would not find what is stored."""
_REGISTRY_STORE: Final = "cardfraud.adapters.feature_store.registry_store.ObjectRegistryStore"


def open_store(
    settings: FeatureStoreSettings,
    objects: ObjectStore,
    *,
    offline: bool,
    cache: BundleCache | None = None,
) -> FeastStore:
    """Open Feast on the registry in the object store and on Redis.

    Args:
        settings: project and online store.
        objects: where the registry and the offline values are.
        offline: whether the offline half is wanted; it needs DuckDB.
        cache: what the registry is read from while the object store is unavailable.
    """
    extra: dict[str, Any] = {}
    if offline:
        from cardfraud.adapters.feature_store.offline import PartitionedOfflineStoreConfig

        extra["offline_store"] = PartitionedOfflineStoreConfig(object_store=objects)
    config = RepoConfig(
        project=settings.project,
        provider="local",
        registry=ObjectRegistryConfig(
            registry_type="file",
            registry_store_type=_REGISTRY_STORE,
            path=keys.FEAST_REGISTRY,
            cache_ttl_seconds=settings.registry_cache_ttl_s,
            object_store=objects,
            cache=cache,
        ),
        online_store=RedisOnlineStoreConfig(
            connection_string=settings.connection_string(), key_ttl_seconds=settings.key_ttl_s
        ),
        entity_key_serialization_version=KEY_SERIALIZATION,
        **extra,
    )
    return FeastStore(config=config)
