"""Feast's registry while the object store is gone."""

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardfraud.adapters.bundle_cache import BundleCache, Origin
from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings
from cardfraud.adapters.feature_store.online import OnlineRow
from cardfraud.adapters.feature_store.registry_store import (
    ObjectRegistryConfig,
    ObjectRegistryStore,
)
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.errors import IntegrityError, Unavailable
from cardfraud.features.definitions import feature_set_digest
from cardfraud_pipelines.local import Endpoints
from tests.support.faulty_link import Fault, FaultyLink
from tests.support.feature_stores import feature_store
from tests.support.stores import object_store


@pytest.fixture
def link(endpoints: Endpoints) -> Iterator[tuple[FaultyLink, Endpoints]]:
    """A link to the object store that can be cut, and the endpoints that lead through it."""
    with FaultyLink(int(endpoints.s3_url.rpartition(":")[2])) as made:
        yield made, dataclasses.replace(endpoints, s3_url=f"http://127.0.0.1:{made.port}")


def impatient(endpoints: Endpoints, cache: BundleCache | None, reader: str) -> FeatureStore:
    """Return a store that asks S3 once and reads Redis as ``reader`` says."""
    given = feature_store(endpoints)
    settings = FeatureStoreSettings.model_validate(
        given.settings.model_dump() | {"online_reader": reader}
    )
    objects = object_store(endpoints).settings.model_copy(update={"attempts": 1})
    return FeatureStore(settings, objects, cache=cache)


@pytest.mark.parametrize("reader", ["direct", "feast"])
def test_state_is_read_while_the_registry_is_gone(
    link: tuple[FaultyLink, Endpoints], tmp_path: Path, reader: str
) -> None:
    """With a copy of the registry a new process reads state while S3 is gone; without it, not."""
    broken, endpoints = link
    feature_store(endpoints).apply()
    first = impatient(endpoints, BundleCache(tmp_path), reader)
    assert first.check() == feature_set_digest()
    assert first.registry_origin is Origin.REGISTRY

    broken.break_(Fault.REFUSE)
    second = impatient(endpoints, BundleCache(tmp_path), reader)

    async def read() -> list[OnlineRow]:
        try:
            return await second.read_online_async(["u1"], ["m1"])
        finally:
            await second.close_async()

    assert asyncio.run(read()) == [OnlineRow()]
    assert second.registry_origin is Origin.CACHE
    for cache in (None, BundleCache(tmp_path / "empty")):
        with pytest.raises(Unavailable, match="object store"):
            impatient(endpoints, cache, reader).check()

    broken.heal()
    third = impatient(endpoints, BundleCache(tmp_path), reader)
    assert third.check() == feature_set_digest()
    assert third.registry_origin is Origin.REGISTRY


def test_a_copy_of_the_registry_is_never_written_back(
    link: tuple[FaultyLink, Endpoints], tmp_path: Path
) -> None:
    """Who has read a copy cannot write, even once S3 is back; after another reading they can."""
    broken, endpoints = link
    feature_store(endpoints).apply()
    objects = ObjectStore(object_store(endpoints).settings.model_copy(update={"attempts": 1}))
    store = ObjectRegistryStore(
        ObjectRegistryConfig(
            path=keys.FEAST_REGISTRY, object_store=objects, cache=BundleCache(tmp_path)
        ),
        Path(),
    )
    store.get_registry_proto()
    before = objects.get(keys.FEAST_REGISTRY)
    broken.break_(Fault.REFUSE)
    copy = store.get_registry_proto()
    broken.heal()
    with pytest.raises(Unavailable, match="read from the cache"):
        store.update_registry_proto(copy)
    assert objects.get(keys.FEAST_REGISTRY) == before
    store.update_registry_proto(store.get_registry_proto())
    assert objects.get(keys.FEAST_REGISTRY) != before


def test_a_damaged_registry_is_named_and_not_kept(
    link: tuple[FaultyLink, Endpoints], tmp_path: Path
) -> None:
    """What is no registry is an integrity error with its key, and replaces no good copy."""
    broken, endpoints = link
    feature_store(endpoints).apply()
    impatient(endpoints, BundleCache(tmp_path), "direct").check()
    object_store(endpoints).put(keys.FEAST_REGISTRY, b"no registry")
    with pytest.raises(IntegrityError, match=r"feast/registry\.db"):
        impatient(endpoints, BundleCache(tmp_path), "direct").check()
    broken.break_(Fault.REFUSE)
    fallen_back = impatient(endpoints, BundleCache(tmp_path), "direct")
    assert fallen_back.check() == feature_set_digest()
    assert fallen_back.registry_origin is Origin.CACHE
