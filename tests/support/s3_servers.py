"""S3 servers of each kind, which a test can stop for a while."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from cardfraud_pipelines.local import Endpoints, Part, Supervisor, pick_port, servers
from cardfraud_pipelines.local.go_programs import MINIO, VERSITYGW

Kind = Literal["versitygw", "minio", "moto"]
KINDS: tuple[Kind, ...] = ("versitygw", "minio", "moto")


@dataclass
class S3Server:
    """One running server.

    Attributes:
        endpoints: where it answers; the bucket exists. There is no Redis beside it.
    """

    endpoints: Endpoints
    _part: Part
    _supervisor: Supervisor

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop it, and start it again on the same data; not for moto, which keeps none."""
        self._supervisor.stop(self._part.name)
        try:
            yield
        finally:
            self._supervisor.run(self._part)


@contextmanager
def s3_server(kind: Kind, folder: Path) -> Iterator[S3Server]:
    """Run a server of a kind; the test is skipped, with the reason, where it cannot be had.

    MinIO is not built here, because that takes minutes.
    """
    binary = None
    if kind != "moto":
        found = VERSITYGW.find_or_build(print) if kind == "versitygw" else MINIO.find()
        if found.binary is None:
            pytest.skip(f"{found.why}; python -m cardfraud_pipelines.local builds it")
        binary = found.binary
    endpoints = Endpoints(
        s3_url=f"http://127.0.0.1:{pick_port()}",
        s3_access_key=secrets.token_hex(10),
        s3_secret_key=secrets.token_hex(20),
        s3_server=kind,
        bucket="cardfraud",
        redis_host="127.0.0.1",
        redis_port=1,
        redis_password="there is none",
    )
    with Supervisor(folder) as supervisor:
        part = servers.object_store(endpoints, binary, supervisor.folder)
        supervisor.run(part)
        endpoints.s3_client().create_bucket(Bucket=endpoints.bucket)
        yield S3Server(endpoints, part, supervisor)
