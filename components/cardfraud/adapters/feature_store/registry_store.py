"""Feast's registry as one object of the object store."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

from feast.infra.registry.registry_store import RegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.repo_config import RegistryConfig
from google.protobuf.message import DecodeError

from cardfraud.adapters.bundle_cache import BundleCache, Origin, cached_object
from cardfraud.adapters.object_store import ObjectStore, StoredObject
from cardfraud.errors import IntegrityError, NotFound, Unavailable


def read_registry(
    store: ObjectStore, key: str, cache: BundleCache | None
) -> tuple[Registry, StoredObject, Origin]:
    """Read the registry; while the object store is unavailable, as it was last read.

    Raises:
        NotFound: there is none.
        IntegrityError: what is there is no registry.
        Unavailable: the object store does not answer, and the cache has no whole copy.
    """

    def parsed(content: bytes) -> Registry:
        try:
            registry: Registry = Registry.FromString(content)
        except DecodeError as error:
            raise IntegrityError(store.uri(key), "a registry of Feast", str(error)) from error
        return registry

    stored, origin = cached_object(store, key, cache, check=parsed)
    return parsed(stored.content), stored, origin


class ObjectRegistryConfig(RegistryConfig):
    """Feast's registry settings with the object store that holds the registry.

    With a cache the registry can be read, but not written, while the object store is unavailable.
    """

    object_store: ObjectStore
    cache: BundleCache | None = None


class ObjectRegistryStore(RegistryStore):
    """Reads and writes the registry; a write never replaces what it has not read.

    Feast makes one from ``registry_store_type``.
    """

    def __init__(self, registry_config: ObjectRegistryConfig, repo_path: Path) -> None:
        """Keep the object store and the key."""
        del repo_path
        self._store = registry_config.object_store
        self._cache = registry_config.cache
        self._key = str(registry_config.path)
        self._etag: str | None = None
        self._origin = Origin.REGISTRY

    def get_registry_proto(self) -> Registry:
        """Read the registry.

        Raises:
            FileNotFoundError: there is none; this is what Feast expects.
            IntegrityError: what is there is no registry.
            Unavailable: the object store does not answer, and there is no copy in the cache.
        """
        try:
            registry, stored, self._origin = read_registry(self._store, self._key, self._cache)
        except NotFound as error:
            raise FileNotFoundError(self._key) from error
        self._etag = stored.etag
        return registry

    def update_registry_proto(self, registry_proto: Registry) -> None:
        """Write the registry.

        Raises:
            Conflict: somebody else wrote it since it was read.
            Unavailable: what was read is a copy, which may be outdated.
        """
        if self._origin is Origin.CACHE:
            reason = "it was read from the cache, which says nothing about now"
            raise Unavailable(self._store.uri(self._key), reason)
        registry_proto.version_id = str(uuid.uuid4())
        registry_proto.last_updated.FromDatetime(datetime.now(UTC))
        content = registry_proto.SerializeToString()
        if self._etag is None:
            self._etag = self._store.put_if_absent(self._key, content)
        else:
            self._etag = self._store.put_if_match(self._key, content, self._etag)

    def teardown(self) -> None:
        """Delete the registry."""
        self._store.delete(self._key)
        self._etag = None
