import dataclasses
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Literal

import pytest
from botocore.exceptions import ClientError
from redis.exceptions import AuthenticationError

from cardfraud.errors import NotFound
from cardfraud_pipelines.local import (
    Endpoints,
    LocalStack,
    PartFailed,
    PortTaken,
    Supervisor,
    servers,
)
from cardfraud_pipelines.local.go_programs import MINIO, VERSITYGW
from cardfraud_pipelines.local.ports import is_free, pick_port
from tests.cardfraud_pipelines.local.processes import (
    eventually,
    first_line,
    linux_only,
    listening,
    marked,
    python,
    token_of,
)


def test_the_stack_answers_and_its_bucket_exists(local_stack: Endpoints, bucket: str) -> None:
    """S3 keeps an object, with its metadata, and Redis keeps a value."""
    client = local_stack.s3_client()
    client.put_object(Bucket=bucket, Key="a/b.txt", Body=b"text", Metadata={"rows": "3"})
    answer = client.get_object(Bucket=bucket, Key="a/b.txt")
    assert answer["Body"].read() == b"text"
    assert answer["Metadata"] == {"rows": "3"}
    client.head_bucket(Bucket=local_stack.bucket)
    redis = local_stack.redis_client()
    redis.set("key", "value")
    assert redis.get("key") == b"value"


def test_of_two_first_writers_one_wins(local_stack: Endpoints, bucket: str) -> None:
    """The object store keeps the promise that registry and aliases rest on: conditional writes."""
    client = local_stack.s3_client()
    etag = client.put_object(Bucket=bucket, Key="alias", Body=b"1", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=bucket, Key="alias", Body=b"2", IfNoneMatch="*")
    client.put_object(Bucket=bucket, Key="alias", Body=b"3", IfMatch=etag)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=bucket, Key="alias", Body=b"4", IfMatch=etag)
    assert client.get_object(Bucket=bucket, Key="alias")["Body"].read() == b"3"


@linux_only
def test_credentials_are_random_and_stay_out_of_sight(tmp_path: Path) -> None:
    """Two stacks have other secrets; none is in a repr, a log, or an argument of a process."""
    with (
        LocalStack(tmp_path / "a", mlflow=False) as one,
        LocalStack(tmp_path / "b", mlflow=False) as two,
    ):
        secrets = (one.endpoints.s3_secret_key, one.endpoints.redis_password)
        assert secrets[0] != two.endpoints.s3_secret_key
        assert secrets[1] != two.endpoints.redis_password
        pids = marked(token_of(tmp_path / "a"))
        arguments = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)
        logs = "".join(log.read_text() for log in (tmp_path / "a").glob("*.log"))
        settings = tmp_path / "a" / "redis.conf"
    for secret in secrets:
        assert secret not in repr(one.endpoints)
        assert secret.encode() not in arguments
        assert secret not in logs
    assert settings.stat().st_mode & 0o077 == 0


@linux_only
def test_the_stack_listens_on_loopback_only(local_stack: Endpoints) -> None:
    """Object store and online store cannot be reached from another machine."""
    for port in (port_of(local_stack.s3_url), local_stack.redis_port):
        assert listening(port) == {"127.0.0.1"}


def port_of(url: str | None) -> int:
    """Return the port of an address."""
    return int((url or "").rpartition(":")[2])


@linux_only
def test_who_listens_on_every_interface_is_seen() -> None:
    """What the loopback tests look at shows a server that is open to the network, IPv6 or not."""
    for family, everywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with socket.socket(family) as server:
            try:
                server.bind((everywhere, 0))
            except OSError:
                continue  # no IPv6 here
            assert listening(server.getsockname()[1]) == set()
            server.listen()
            assert listening(server.getsockname()[1]) == {everywhere}


def test_redis_refuses_a_client_without_the_password(local_stack: Endpoints) -> None:
    """Nobody else on the machine can read the online store."""
    stranger = dataclasses.replace(local_stack, redis_password="guess").redis_client(retries=0)
    with pytest.raises(AuthenticationError):
        stranger.ping()


def test_versitygw_refuses_a_wrong_secret(local_stack: Endpoints) -> None:
    """The object store checks signatures; moto does not, which is why it is second choice."""
    if local_stack.s3_server == "moto":
        pytest.skip("moto accepts any credentials, and the stack says so when it starts")
    stranger = dataclasses.replace(local_stack, s3_secret_key="wrong").s3_client(retries=0)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stranger.list_buckets()


def test_a_port_that_is_in_use_is_refused_by_name(tmp_path: Path) -> None:
    """A fixed port that somebody holds fails the start with the port's number, nothing runs on."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        stack = LocalStack(tmp_path, mlflow=False, s3="moto", ports={"redis": port})
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}"), stack:
            pass
    with Supervisor(tmp_path):  # the folder is free again
        assert not list(tmp_path.glob("*.log"))


def test_a_port_lost_between_choice_and_start_shows_the_servers_own_words(
    tmp_path: Path, local_stack: Endpoints
) -> None:
    """When another server takes the port first, the part fails and its log says why."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        stolen = dataclasses.replace(local_stack, redis_port=port)
        with Supervisor(tmp_path) as supervisor:
            part = servers.online_store(stolen, tmp_path)
            with pytest.raises(PartFailed, match="Address already in use"):
                supervisor.run(part)


def test_picked_ports_are_free_and_not_given_twice() -> None:
    """Ports that were picked one after the other differ and can be listened on."""
    ports = [pick_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(is_free(port) for port in ports[:5])


def test_leaving_one_stack_leaves_the_other_alone(tmp_path: Path, local_stack: Endpoints) -> None:
    """A stack stops what it started and nothing else."""
    with LocalStack(tmp_path, mlflow=False) as other:
        client = other.endpoints.redis_client()
        assert client.ping()
        other_port = other.endpoints.redis_port
    assert is_free(other_port)
    assert local_stack.redis_client().ping()
    local_stack.s3_client().list_buckets()


@linux_only
@pytest.mark.slow
def test_mlflow_starts_beside_other_work_and_leaves_no_process(tmp_path: Path) -> None:
    """S3 and Redis are usable before MLflow answers; artifacts are addressed in the bucket."""
    with LocalStack(tmp_path) as stack:
        stack.endpoints.s3_client().list_buckets()
        url = stack.wait_for_mlflow()
        assert listening(port_of(url)) == {"127.0.0.1"}
        request = urllib.request.Request(
            f"{url}/api/2.0/mlflow/experiments/create",
            data=b'{"name": "fraud"}',
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(
            f"{url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=fraud", timeout=60
        ) as answer:
            assert b"s3://cardfraud/mlflow/" in answer.read()
        # Three guardians, three servers, and the worker that MLflow starts itself.
        assert len(marked(token_of(tmp_path))) >= 7
    assert not marked(token_of(tmp_path))


@linux_only
@pytest.mark.skipif(MINIO.find().binary is None, reason=MINIO.find().why)
def test_minio_stands_in_for_versitygw(tmp_path: Path) -> None:
    """Who asks for MinIO gets it, on loopback only, its secrets and its files kept to the stack."""
    with LocalStack(tmp_path, mlflow=False, s3="minio") as stack:
        endpoints = stack.endpoints
        assert endpoints.s3_server == "minio"
        endpoints.s3_client().put_object(Bucket="cardfraud", Key="k", Body=b"v")
        stranger = dataclasses.replace(endpoints, s3_secret_key="wrong").s3_client(retries=0)
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            stranger.list_buckets()
        assert listening(port_of(endpoints.s3_url)) <= {"127.0.0.1", "::1"}
        arguments = b"".join(
            Path(f"/proc/{pid}/cmdline").read_bytes() for pid in marked(token_of(tmp_path))
        )
    assert endpoints.s3_secret_key.encode() not in arguments
    assert endpoints.s3_secret_key not in (tmp_path / "s3.log").read_text()


@pytest.mark.parametrize("server", ["versitygw", "minio"])
def test_a_server_that_was_asked_for_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Literal["versitygw", "minio"]
) -> None:
    """Where the server that was asked for cannot be had, the stack says why and does not start."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    stack = LocalStack(tmp_path / "stack", mlflow=False, s3=server)
    with pytest.raises(NotFound, match=f"{server}.*is not cached"), stack:
        pass


def test_waiting_for_mlflow_that_was_not_wanted_is_an_error(tmp_path: Path) -> None:
    """A caller that forgot to ask for MLflow is told so."""
    with (
        LocalStack(tmp_path, mlflow=False, s3="moto") as stack,
        pytest.raises(ValueError, match="mlflow=False"),
    ):
        stack.wait_for_mlflow()


@linux_only
def test_a_killed_owner_of_a_stack_leaves_no_server(tmp_path: Path) -> None:
    """After SIGKILL of the process that owns it, no server of a stack is left."""
    script = (
        "import pathlib, time\n"
        "from cardfraud_pipelines.local import LocalStack\n"
        f"with LocalStack(pathlib.Path({str(tmp_path)!r})) as stack:\n"
        "    print('up', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with python(script) as owner:
        assert first_line(owner) == "up"
        token = token_of(tmp_path)
        assert len(marked(token)) >= 6
        owner.kill()
    assert eventually(lambda: not marked(token))


def test_moto_takes_over_where_there_is_no_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Go on PATH and with an empty cache the stack runs on moto and says why."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    reports: list[str] = []
    with LocalStack(tmp_path / "stack", mlflow=False, report=reports.append) as stack:
        assert stack.endpoints.s3_server == "moto"
        stack.endpoints.s3_client().put_object(Bucket="cardfraud", Key="k", Body=b"v")
        if sys.platform == "linux":
            assert listening(port_of(stack.endpoints.s3_url)) == {"127.0.0.1"}
    assert reports[0].startswith("S3 is moto, which accepts any credentials")
    assert "no go on PATH" in reports[0]


def test_a_build_that_fails_says_so_and_leaves_an_empty_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When Go cannot build the server, the reason is Go's last words and no half file is kept."""
    tools, cache = tmp_path / "tools", tmp_path / "cache"
    tools.mkdir()
    go = tools / "go"
    go.write_text(
        '#!/bin/sh\necho half > "$GOBIN/versitygw"\necho "no route to host" >&2\nexit 1\n'
    )
    go.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    found = VERSITYGW.find_or_build(lambda _line: None)
    assert found.binary is None
    assert found.why == "building versitygw failed: no route to host"
    assert [path.name for path in (cache / "cardfraud").iterdir()] == ["versitygw.lock"]


def test_each_server_is_built_once_however_many_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that need the servers at the same time run one build of each and share it."""
    tools, cache = tmp_path / "tools", tmp_path / "cache"
    tools.mkdir()
    go = tools / "go"
    go.write_text(
        "#!/bin/sh\nfor module; do :; done\n"  # the last argument
        'name="$(basename "${module%@*}")"\n'
        f'echo "$module" >> {tools}/built\nsleep 1\necho > "$GOBIN/$name"\n'
    )
    go.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    command = [sys.executable, "-m", "cardfraud_pipelines.local"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as one,
        subprocess.Popen(command, stdout=subprocess.PIPE) as two,
    ):
        outputs = [process.communicate()[0].decode() for process in (one, two)]
    assert (tools / "built").read_text() == f"{VERSITYGW.module}\n{MINIO.module}\n"
    for output in outputs:
        assert "S3 of the local stack: versitygw 1.8.0" in output
        assert "S3 of further tests: minio" in output
