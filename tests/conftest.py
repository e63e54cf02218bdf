"""What tests of several packages share: real servers, and the handbook's data if present."""

import dataclasses
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from cardfraud_pipelines.local import Endpoints, LocalStack

REPOSITORY = Path(__file__).parents[1]

# How long an example takes depends on what else the machine does.
settings.register_profile("cardfraud", deadline=None)
settings.load_profile("cardfraud")


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """S3 (versitygw, or moto where it cannot be had) and Redis, once for all tests."""
    folder = tmp_path_factory.mktemp("stack")
    with LocalStack(folder, mlflow=False, report=print) as stack:
        yield stack.endpoints


@pytest.fixture
def endpoints(local_stack: Endpoints) -> Endpoints:
    """The session's servers with a fresh bucket of this test's own."""
    name = f"test-{secrets.token_hex(6)}"
    local_stack.s3_client().create_bucket(Bucket=name)
    return dataclasses.replace(local_stack, bucket=name)


@pytest.fixture
def bucket(endpoints: Endpoints) -> str:
    """Name of a fresh bucket on the session's object store."""
    return endpoints.bucket


@pytest.fixture(scope="session")
def handbook() -> Path:
    """Folder of the Fraud Detection Handbook's transactions; the test is skipped without it."""
    named = os.environ.get("CARDFRAUD_HANDBOOK")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data" / "handbook"
    if not folder.is_dir():
        pytest.skip("no handbook data: CARDFRAUD_HANDBOOK does not name its folder")
    return folder
