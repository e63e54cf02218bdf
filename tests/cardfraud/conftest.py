"""A stack with experiment tracking, for the tests of the package that need it."""

import dataclasses
import secrets
from collections.abc import Iterator

import pytest

from cardfraud.adapters.registry import Tracking, TrackingSettings
from cardfraud_pipelines.local import Endpoints, LocalStack
from tests.support.stores import object_store


@pytest.fixture(scope="session")
def tracking_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """S3 and MLflow on SQLite, once for all tests that ask for it."""
    with LocalStack(tmp_path_factory.mktemp("tracking"), report=print) as stack:
        stack.wait_for_mlflow()
        yield stack.endpoints


@pytest.fixture(scope="module")
def tracked(tracking_stack: Endpoints) -> Endpoints:
    """That stack with a fresh bucket for a module."""
    name = f"test-{secrets.token_hex(6)}"
    tracking_stack.s3_client().create_bucket(Bucket=name)
    return dataclasses.replace(tracking_stack, bucket=name)


@pytest.fixture(scope="module")
def tracking(tracked: Endpoints) -> Tracking:
    """A client of MLflow with an experiment of the module's own."""
    assert tracked.mlflow_url is not None
    return Tracking(
        TrackingSettings(tracking_uri=tracked.mlflow_url, experiment=tracked.bucket),
        object_store(tracked).settings,
    )
