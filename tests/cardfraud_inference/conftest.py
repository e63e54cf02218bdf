"""Both servers, started once, on a feature store that knows two users and two merchants."""

import dataclasses
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.adapters.object_store import ObjectStore
from cardfraud_pipelines.local import Endpoints
from cardfraud_pipelines.local.supervisor import Supervisor
from tests.support import servers
from tests.support.feature_stores import feature_store
from tests.support.graphs import tiny_files, tiny_policy
from tests.support.servers import Address
from tests.support.serving_state import NOW, fill_feature_store
from tests.support.stores import object_store


@dataclass(frozen=True)
class Serving:
    """What the running servers stand on.

    Attributes:
        supervisor: runs them, and whatever a test starts beside them.
        endpoints: object store and online store.
        storage: the servers' variables that lead to these.
        bundle: digest of what is served.
        policy: digest of what decides.
        predictor: its address.
        transformer: its address.
    """

    supervisor: Supervisor
    endpoints: Endpoints
    storage: dict[str, str]
    bundle: str
    policy: str
    predictor: Address
    transformer: Address

    @property
    def objects(self) -> ObjectStore:
        """The object store."""
        return object_store(self.endpoints)


@pytest.fixture(scope="package")
def impatient(serving: Serving) -> Iterator[Address]:
    """A predictor that waits half a second for a request, and one for another request."""
    address = Address()
    limits = {"body_timeout_s": "0.5", "idle_timeout_s": "1"}
    part = servers.predictor(address, serving.storage, serving.bundle, name="impatient", **limits)
    serving.supervisor.run(part)
    yield address
    serving.supervisor.stop("impatient")


@pytest.fixture(scope="package")
def serving(local_stack: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Predictor and transformer with a tiny model, ready."""
    bucket = f"serving-{secrets.token_hex(6)}"
    local_stack.s3_client().create_bucket(Bucket=bucket)
    endpoints = dataclasses.replace(local_stack, bucket=bucket)
    objects = object_store(endpoints)
    bundle = publish_bundle(objects, tiny_files(), "fraud", "tiny").bundle_digest
    policy = publish_policy(objects, "fraud", tiny_policy())
    storage = servers.storage_environment(endpoints, feature_store(endpoints).settings.project)
    at, before = Address(), Address()
    with Supervisor(tmp_path_factory.mktemp("servers"), report=print) as supervisor:
        supervisor.start(servers.predictor(at, storage, bundle))
        fill_feature_store(endpoints, until=NOW - timedelta(seconds=1))
        supervisor.start(
            servers.transformer(before, storage, bundle=bundle, policy=policy, predictor_at=at)
        )
        supervisor.wait("predictor")
        supervisor.wait("transformer")
        yield Serving(supervisor, endpoints, storage, bundle, policy, at, before)
