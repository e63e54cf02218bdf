"""The local stack: an object store, an online store and experiment tracking, as real servers."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from cardfraud.errors import NotFound
from cardfraud_pipelines.local import servers
from cardfraud_pipelines.local.endpoints import Endpoints
from cardfraud_pipelines.local.go_programs import MINIO, VERSITYGW
from cardfraud_pipelines.local.ports import LOOPBACK, pick_port
from cardfraud_pipelines.local.supervisor import Report, Supervisor, silent

ServerName = Literal["s3", "redis", "mlflow"]
S3Choice = Literal["auto", "versitygw", "minio", "moto"]


class LocalStack:
    """A context in which S3, Redis and, if wanted, MLflow answer on loopback.

    When it is entered, S3 and Redis answer and the bucket exists; MLflow, which takes 5 to 20 s, is
    on its way: call ``wait_for_mlflow`` before the first use. Further parts go to ``supervisor``,
    they stop before these do. Credentials are random and live as long as the stack.
    """

    endpoints: Endpoints

    def __init__(
        self,
        folder: Path,
        *,
        bucket: str = "cardfraud",
        mlflow: bool = True,
        s3: S3Choice = "auto",
        ports: Mapping[ServerName, int] | None = None,
        report: Report = silent,
    ) -> None:
        """Describe the stack.

        Args:
            folder: for logs and data, usually ``build/local/<name>``; emptied at each start.
            bucket: made at the start.
            mlflow: whether to start MLflow too.
            s3: which server; ``auto`` takes versitygw when it is cached or can be built, else moto.
            ports: fixed ports; the others are picked.
            report: gets lines for people.
        """
        self.supervisor = Supervisor(folder, report=report)
        self._bucket = bucket
        self._mlflow = mlflow
        self._s3 = s3
        self._ports = ports or {}
        self._report = report

    def __enter__(self) -> Self:
        """Start the parts.

        Raises:
            PartFailed: one of them does not come up.
            PortTaken: a port that was asked for is in use.
            StackInUse: another process has the folder.
            NotFound: the S3 server that was asked for is neither cached nor can be built.
        """
        self.supervisor.__enter__()
        try:
            self._start()
        except BaseException:
            self.supervisor.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop everything that was started here."""
        self.supervisor.__exit__(kind, error, traceback)

    def wait_for_mlflow(self) -> str:
        """Wait until MLflow answers; return its address.

        Raises:
            PartFailed: it does not come up.
            ValueError: the stack was made without it.
        """
        if self.endpoints.mlflow_url is None:
            msg = "this stack was made with mlflow=False"
            raise ValueError(msg)
        self.supervisor.wait("mlflow")
        return self.endpoints.mlflow_url

    def _start(self) -> None:
        server, binary = self._object_store()
        self.endpoints = self._endpoints(server)
        folder = self.supervisor.folder
        self.supervisor.start(servers.object_store(self.endpoints, binary, folder))
        self.supervisor.start(servers.online_store(self.endpoints, folder))
        if self._mlflow:
            self.supervisor.start(servers.tracking(self.endpoints, folder))
        self.supervisor.wait("s3")
        self.endpoints.s3_client().create_bucket(Bucket=self._bucket)
        self.supervisor.wait("redis")

    def _object_store(self) -> tuple[str, Path | None]:
        """Return the S3 server's name and its program."""
        if self._s3 == "moto":
            self._report("S3 is moto, as asked for")
            return "moto", None
        program = MINIO if self._s3 == "minio" else VERSITYGW
        found = program.find_or_build(self._report)
        if found.binary is None and self._s3 == "auto":
            self._report(f"S3 is moto, which accepts any credentials: {found.why}")
            return "moto", None
        if found.binary is None:
            raise NotFound("S3 server", program.name, hint=found.why)
        self._report(f"S3 is {found.why}")
        return program.name, found.binary

    def _endpoints(self, server: str) -> Endpoints:
        def port(name: ServerName) -> int:
            return pick_port(self._ports.get(name))

        return Endpoints(
            s3_url=f"http://{LOOPBACK}:{port('s3')}",
            s3_access_key=secrets.token_hex(10),
            s3_secret_key=secrets.token_hex(20),
            s3_server=server,
            bucket=self._bucket,
            redis_host=LOOPBACK,
            redis_port=port("redis"),
            redis_password=secrets.token_hex(16),
            mlflow_url=f"http://{LOOPBACK}:{port('mlflow')}" if self._mlflow else None,
        )
