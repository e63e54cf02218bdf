"""The object store's tests run on every kind of S3 server."""

import dataclasses
import secrets
from collections.abc import Iterator

import pytest

from cardfraud.adapters.object_store import ObjectStore
from cardfraud_pipelines.local import Endpoints
from tests.support.s3_servers import KINDS, s3_server
from tests.support.stores import object_store


@pytest.fixture(scope="session", params=KINDS)
def s3_kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoints]:
    """Each server in turn: versitygw, MinIO and moto; skipped with a reason where one is not."""
    with s3_server(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server.endpoints


@pytest.fixture
def each_server(s3_kind: Endpoints) -> Endpoints:
    """Each server in turn, with a fresh bucket of this test's own."""
    name = f"test-{secrets.token_hex(6)}"
    s3_kind.s3_client().create_bucket(Bucket=name)
    return dataclasses.replace(s3_kind, bucket=name)


@pytest.fixture
def store(each_server: Endpoints) -> ObjectStore:
    """A store on a fresh bucket of each server in turn."""
    return object_store(each_server)
