"""The servers and the links that the ladder's tests break, started once."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud_pipelines.local import Endpoints, LocalStack
from tests.cardfraud_inference.ladder.standing import Standing, fill, rules_policy
from tests.support import servers
from tests.support.faulty_link import FaultyLink
from tests.support.feature_stores import feature_store
from tests.support.graphs import tiny_files
from tests.support.servers import Address
from tests.support.stores import object_store

DEADLINES = {"features_timeout_s": "1.5", "predictor_timeout_s": "1.5"}
"""Long enough for a busy machine, since what answers must be in time; short beside for ever."""


@pytest.fixture(scope="package")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """A stack of its own, a predictor and three transformers, all links whole."""
    with ExitStack() as stack:
        local = stack.enter_context(LocalStack(tmp_path_factory.mktemp("ladder"), mlflow=False))
        endpoints = local.endpoints
        _survive_kills(endpoints)
        objects, at = object_store(endpoints), Address()
        redis, s3, predictor = (
            stack.enter_context(FaultyLink(port))
            for port in (endpoints.redis_port, int(endpoints.s3_url.rpartition(":")[2]), at.http)
        )
        bundle = publish_bundle(objects, tiny_files(), "fraud", "tiny").bundle_digest
        policy = publish_policy(objects, "fraud", rules_policy())
        strict = publish_policy(objects, "fraud", rules_policy(when_predictor_fails="unavailable"))
        direct = servers.storage_environment(endpoints, feature_store(endpoints).settings.project)
        storage = direct | {
            "CARDFRAUD_FEAST_REDIS_PORT": str(redis.port),
            "CARDFRAUD_S3_ENDPOINT_URL": f"http://127.0.0.1:{s3.port}",
            "CARDFRAUD_S3_ATTEMPTS": "1",
            "CARDFRAUD_S3_CONNECT_TIMEOUT_S": "1",
        }
        cache = str(cache_folder(local.supervisor.folder))
        local.supervisor.start(servers.predictor(at, direct, bundle, cache_dir=cache))
        fill(endpoints)
        kinds = {
            "split": {"policy": policy, "cache_dir": cache},
            "fused": {"policy": policy, "fused": "true"},
            "strict": {"policy": strict},
        }
        before = {name: Address() for name in kinds}
        for name, settings in kinds.items():
            part = servers.transformer(
                before[name],
                storage,
                bundle=bundle,
                predictor_at=Address(predictor.port),
                name=name,
                **(DEADLINES | settings),
            )
            local.supervisor.start(part)
        for name in ("predictor", *kinds):
            local.supervisor.wait(name)
        yield Standing(local, bundle, policy, storage, redis, s3, predictor, **before)


def cache_folder(folder: Path) -> Path:
    """Where predictor and ``split`` keep what they have verified."""
    return folder / "verified"


@pytest.fixture(autouse=True)
def whole(standing: Standing) -> Iterator[None]:
    """Whatever a test has broken is mended after it."""
    yield
    for link in (standing.redis, standing.s3, standing.predictor):
        link.heal()


def _survive_kills(endpoints: Endpoints) -> None:
    """Make Redis write everything down at once, and say so in its own settings."""
    client = endpoints.redis_client()
    client.config_set("appendonly", "yes")
    client.config_set("appendfsync", "always")
    client.config_rewrite()
    client.close()
