"""What a run stands on: stores with state, a published model, and what is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud_pipelines.benchmarks.serving.deployments import Published
from cardfraud_pipelines.benchmarks.serving.faces import MODEL
from cardfraud_pipelines.benchmarks.serving.online_store import fill
from cardfraud_pipelines.benchmarks.serving.processes import listener
from cardfraud_pipelines.benchmarks.serving.samples import Samples
from cardfraud_pipelines.benchmarks.serving.window import Meter
from cardfraud_pipelines.benchmarks.serving.world import MOST_SAMPLES, POLICY, SAMPLES, World
from cardfraud_pipelines.local import Endpoints, LocalStack
from cardfraud_pipelines.local.supervisor import Supervisor

PROJECT = "bench"


@dataclass(frozen=True, slots=True)
class Held:
    """An online store that holds some users.

    Attributes:
        meter: asks about them.
        samples: different requests that it has; drawn at random from all users.
        fill_seconds: what writing the store took.
    """

    meter: Meter
    samples: int
    fill_seconds: float


@dataclass(frozen=True, slots=True)
class Ground:
    """A running stack with everything that the servers need.

    Attributes:
        supervisor: keeps the servers.
        published: what they serve.
        meter: puts load on them.
        samples: what it asks.
        forest: file with the classifier, for the baseline.
        world: users and merchants, whose state the online store holds.
        endpoints: of the stores.
    """

    supervisor: Supervisor
    published: Published
    meter: Meter
    samples: Samples
    forest: Path
    world: World
    endpoints: Endpoints

    def hold_users(self, users: int) -> Held:
        """Fill the online store with so many users, and draw what is asked from all of them."""
        begun = time.perf_counter()
        fill(self.endpoints.redis_client(timeout=60), PROJECT, self.world, users=users)
        seconds = time.perf_counter() - begun
        path = self.meter.samples.with_name(f"samples-{users}.json")
        samples = self.world.samples(users=users, count=max(SAMPLES, min(users, MOST_SAMPLES)))
        samples.save(path)
        return Held(self.meter.asking(path), len(samples.samples), seconds)


@contextmanager
def prepared(folder: Path, world: World, report: Callable[[str], None]) -> Iterator[Ground]:
    """Start the stores, fill them, and publish the model.

    Args:
        folder: for logs and data; emptied first.
        world: users, merchants and forest.
        report: told what goes on.
    """
    with LocalStack(folder, mlflow=False, report=report) as stack:
        endpoints = stack.endpoints
        objects = ObjectStoreSettings(
            bucket=endpoints.bucket,
            endpoint_url=endpoints.s3_url,
            region=endpoints.s3_region,
            access_key_id=endpoints.s3_access_key,
            secret_access_key=endpoints.s3_secret_key,
        )
        online = FeatureStoreSettings(
            project=PROJECT,
            redis_host=endpoints.redis_host,
            redis_port=endpoints.redis_port,
            redis_password=endpoints.redis_password,
        )
        FeatureStore(online, objects).apply()
        fill(endpoints.redis_client(), PROJECT, world, users=world.users)
        store = ObjectStore(objects)
        manifest = publish_bundle(store, world.forest.bundle_files(), MODEL, "random_forest")
        inputs = folder / "inputs"
        inputs.mkdir()
        samples = world.samples()
        samples.save(inputs / "samples.json")
        world.forest.save(inputs / "forest.joblib")
        yield Ground(
            supervisor=stack.supervisor,
            published=Published(
                stores=endpoints.settings_environment(feast_project=PROJECT),
                bundle=manifest.bundle_digest,
                policy=publish_policy(store, MODEL, POLICY),
            ),
            meter=Meter(inputs / "samples.json", listener(endpoints.redis_port)),
            samples=samples,
            forest=inputs / "forest.joblib",
            world=world,
            endpoints=endpoints,
        )
