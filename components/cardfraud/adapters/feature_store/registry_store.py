"""Feast's registry as one object of the object store."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

from feast.infra.registry.registry_store import RegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.repo_config import RegistryConfig

from cardfraud.adapters.object_store import ObjectStore
from cardfraud.errors import NotFound


class ObjectRegistryConfig(RegistryConfig):
    """Feast's registry settings with the object store that holds the registry."""

    object_store: ObjectStore


class ObjectRegistryStore(RegistryStore):
    """Reads and writes the registry; a write never replaces what it has not read.

    Feast makes one from ``registry_store_type``.
    """

    def __init__(self, registry_config: ObjectRegistryConfig, repo_path: Path) -> None:
        """Keep the object store and the key."""
        del repo_path
        self._store = registry_config.object_store
        self._key = str(registry_config.path)
        self._etag: str | None = None

    def get_registry_proto(self) -> Registry:
        """Read the registry.

        Raises:
            FileNotFoundError: there is none; this is what Feast expects.
        """
        try:
            stored = self._store.get_tagged(self._key)
        except NotFound as error:
            raise FileNotFoundError(self._key) from error
        registry = Registry()
        registry.ParseFromString(stored.content)
        self._etag = stored.etag
        return registry

    def update_registry_proto(self, registry_proto: Registry) -> None:
        """Write the registry.

        Raises:
            Conflict: somebody else wrote it since it was read.
        """
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
