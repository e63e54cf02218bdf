"""The S3 server of the local stack: versitygw, built once from its Go module and cached."""

import fcntl
import os
import platform
import shutil
import subprocess
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from cardfraud_pipelines.local.supervisor import Report

VERSION = "1.8.0"
MODULE = f"github.com/versity/versitygw/cmd/versitygw@v{VERSION}"
BUILD_WITHIN = 1200.0
"""Seconds; a build took 105 s of processor time on a 2-core machine."""


@dataclass(frozen=True)
class Found:
    """The outcome of looking for the server.

    Attributes:
        binary: the program, or None when there is none.
        why: one sentence for people.
    """

    binary: Path | None
    why: str


def cache_folder() -> Path:
    """Where the built program is kept: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path has to be ignored.
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "cardfraud"


def cached_binary() -> Path:
    """Where the program is, or would be; system and machine are in the name, homes are shared."""
    system = f"{platform.system()}-{platform.machine()}".lower()
    return cache_folder() / f"versitygw-{VERSION}-{system}"


def find_or_build(report: Report) -> Found:
    """Return the cached program, built now if Go is there; two processes never build it twice."""
    target = cached_binary()
    if target.is_file():
        return Found(target, f"versitygw {VERSION} from {target}")
    go = shutil.which("go")
    if go is None:
        return Found(None, "versitygw is not cached and there is no go on PATH to build it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "versitygw.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another process builds versitygw; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_file():
            return Found(target, f"versitygw {VERSION} from {target}")
        return _build(go, target, report)


def _build(go: str, target: Path, report: Report) -> Found:
    report(f"building versitygw {VERSION} with {go}, once; this takes a few minutes")
    started = time.monotonic()
    for leftover in target.parent.glob("building-*"):  # ours alone: we hold the lock
        shutil.rmtree(leftover)
    # In the cache's own folder, so that the last step is one atomic rename.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="building-") as folder:
        env = os.environ | {"GOBIN": folder, "GOFLAGS": "-buildvcs=false"}
        env.pop("GOOS", None)  # a cross build would neither run here nor obey GOBIN
        env.pop("GOARCH", None)
        command = [go, "install", "-v", "-trimpath", "-ldflags=-s -w", MODULE]
        try:
            failure = _run(command, env, report)
            if failure is None:
                Path(folder, "versitygw").replace(target)
        except OSError as error:
            failure = str(error)
    if failure is not None:
        return Found(None, f"building versitygw failed: {failure}")
    return Found(target, f"versitygw {VERSION}, built in {time.monotonic() - started:.0f} s")


def _run(command: list[str], env: dict[str, str], report: Report) -> str | None:
    """Run the build and report now and then how far it is; return why it failed, if it did."""
    started = reported = time.monotonic()
    last = deque[str](maxlen=5)
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as build:
        limit = threading.Timer(BUILD_WITHIN, build.kill)
        limit.start()
        try:
            for done, line in enumerate(build.stdout or ()):
                last.append(line.strip())
                now = time.monotonic()
                if now - reported > 15:
                    reported = now
                    report(f"building versitygw: {done} steps, {now - started:.0f} s")
            build.wait()
        except BaseException:
            build.kill()
            raise
        finally:
            limit.cancel()
    return None if build.returncode == 0 else " / ".join(last)[-400:] or "it was cut off"
