import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from feast.protos.feast.core.Registry_pb2 import Registry

from cardfraud.adapters.feature_store import FeatureStore, OnlineRow
from cardfraud.adapters.feature_store.registry_store import (
    ObjectRegistryConfig,
    ObjectRegistryStore,
)
from cardfraud.contracts import keys
from cardfraud.errors import Conflict, IntegrityError
from cardfraud.features.definitions import (
    FEATURE_NAMES,
    FEATURE_VIEWS,
    STATE_VIEWS,
    feature_set_digest,
)
from cardfraud_pipelines.local import Endpoints
from tests.support.feature_stores import feature_store
from tests.support.stores import object_store


def test_a_store_without_a_registry_is_refused(endpoints: Endpoints) -> None:
    """A store that lacks the feature set is not read from, and reading creates no registry."""
    store = feature_store(endpoints)
    with pytest.raises(IntegrityError, match="no project"):
        store.read_online(["u1"], ["m1"])
    assert not object_store(endpoints).exists(keys.FEAST_REGISTRY)


def test_an_applied_store_carries_the_digest(endpoints: Endpoints) -> None:
    """After apply every process finds the digest, however often it is applied."""
    feature_store(endpoints).apply()
    feature_store(endpoints).apply()
    assert feature_store(endpoints).check() == feature_set_digest()


def test_a_registry_that_was_checked_is_not_read_again(endpoints: Endpoints) -> None:
    """The first direct read after a check asks Redis alone; one without a check is refused."""
    feature_store(endpoints).apply()
    checked, unchecked = feature_store(endpoints), feature_store(endpoints)
    checked.check()
    object_store(endpoints).delete(keys.FEAST_REGISTRY)

    async def read(store: FeatureStore) -> list[OnlineRow]:
        try:
            return await store.read_online_async(["nobody"], ["nowhere"])
        finally:
            await store.close_async()

    assert asyncio.run(read(checked)) == [OnlineRow()]
    with pytest.raises(IntegrityError, match="no project"):
        asyncio.run(read(unchecked))


def test_a_store_of_other_definitions_is_refused(endpoints: Endpoints) -> None:
    """A registry whose tag names another feature set raises, with both digests in the error."""
    feature_store(endpoints).apply()
    objects = object_store(endpoints)
    registry = Registry()
    registry.ParseFromString(objects.get(keys.FEAST_REGISTRY))
    for project in registry.projects:
        project.spec.tags["feature_set_digest"] = "sha256:another"
    objects.put(keys.FEAST_REGISTRY, registry.SerializeToString())
    with pytest.raises(IntegrityError) as caught:
        feature_store(endpoints).read_stream_states(["u1"])
    assert (caught.value.expected, caught.value.actual) == (feature_set_digest(), "sha256:another")


def test_a_registry_without_state_views_is_refused(endpoints: Endpoints) -> None:
    """A tag alone is not enough: the state views must be there."""
    feature_store(endpoints).apply()
    objects = object_store(endpoints)
    registry = Registry()
    registry.ParseFromString(objects.get(keys.FEAST_REGISTRY))
    kept = [view for view in registry.feature_views if view.spec.name != STATE_VIEWS[0].name]
    del registry.feature_views[:]
    registry.feature_views.extend(kept)
    objects.put(keys.FEAST_REGISTRY, registry.SerializeToString())
    with pytest.raises(IntegrityError, match="without the state views"):
        feature_store(endpoints).check()


def test_the_registry_holds_every_feature_of_the_definitions(endpoints: Endpoints) -> None:
    """Each defined feature is in the registry once, in the order of the model's inputs."""
    feature_store(endpoints).apply()
    registry = Registry()
    registry.ParseFromString(object_store(endpoints).get(keys.FEAST_REGISTRY))
    found = {
        view.spec.name: [f.name for f in view.spec.features] for view in registry.feature_views
    }
    found |= {
        view.spec.name: [f.name for f in view.spec.features]
        for view in registry.on_demand_feature_views
    }
    named = [name for view in FEATURE_VIEWS for name in found[view.name]]
    assert sorted(named) == sorted(FEATURE_NAMES)
    assert {view.name for view in (*FEATURE_VIEWS, *STATE_VIEWS)} == set(found)


def test_using_the_store_leaves_the_process_as_it_was() -> None:
    """Feast's import does not switch Prometheus to files, and type checks are Feast's affair."""
    program = (
        "import os, typeguard\n"
        "checked = typeguard.typechecked\n"
        "from cardfraud.adapters.feature_store.loading import load_feast\n"
        "load_feast()\n"
        "from prometheus_client import values\n"
        "print([n for n in os.environ if n.startswith('PROMETHEUS')], values.ValueClass.__name__)\n"
        "print(typeguard.typechecked is checked)"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PROMETHEUS")}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=clean
    )
    assert answer.stdout.split("\n")[:2] == ["[] MutexValue", "True"]


def test_two_writers_of_the_registry_do_not_overwrite_each_other(endpoints: Endpoints) -> None:
    """The second of two writers that read the same registry gets a conflict."""
    feature_store(endpoints).apply()
    first, second = (
        ObjectRegistryStore(
            ObjectRegistryConfig(path=keys.FEAST_REGISTRY, object_store=object_store(endpoints)),
            Path(),
        )
        for _ in range(2)
    )
    one, other = first.get_registry_proto(), second.get_registry_proto()
    first.update_registry_proto(one)
    with pytest.raises(Conflict):
        second.update_registry_proto(other)
