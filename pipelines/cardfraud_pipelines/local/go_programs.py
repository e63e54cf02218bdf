"""The S3 servers that are Go programs: built once from a pinned module, and cached."""

from __future__ import annotations

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
from typing import Final

from cardfraud_pipelines.local.supervisor import Report

BUILD_WITHIN = 1800.0
"""Seconds that a build may take."""


@dataclass(frozen=True)
class Found:
    """The outcome of looking for a program.

    Attributes:
        binary: the program, or None when there is none.
        why: one sentence for people.
    """

    binary: Path | None
    why: str


@dataclass(frozen=True)
class GoProgram:
    """A program that ``go install`` builds; Go verifies the module against its checksum database.

    Attributes:
        name: of the program that is built.
        version: for people and for the name in the cache.
        module: path and pinned version.
        effort: how long a build takes, in words.
    """

    name: str
    version: str
    module: str
    effort: str

    @property
    def cached(self) -> Path:
        """Where it is, or would be; system and machine are in the name, homes are shared."""
        system = f"{platform.system()}-{platform.machine()}".lower()
        return cache_folder() / f"{self.name}-{self.version}-{system}"

    def find(self) -> Found:
        """Return the cached program, and build nothing."""
        target = self.cached
        if target.is_file():
            return Found(target, f"{self.name} {self.version} from {target}")
        return Found(None, f"{self.name} {self.version} is not cached")

    def find_or_build(self, report: Report) -> Found:
        """Return the cached program, built now if Go is there; two never build it at once."""
        found = self.find()
        if found.binary is not None:
            return found
        go = shutil.which("go")
        if go is None:
            why = f"{self.name} is not cached and there is no go on PATH to build it"
            return Found(None, why)
        target = self.cached
        target.parent.mkdir(parents=True, exist_ok=True)
        with (target.parent / f"{self.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report(f"another process builds {self.name}; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            found = self.find()
            return self._build(go, target, report) if found.binary is None else found

    def _build(self, go: str, target: Path, report: Report) -> Found:
        report(f"building {self.name} {self.version} with {go}, once; this takes {self.effort}")
        started = time.monotonic()
        for leftover in target.parent.glob(f"building-{self.name}-*"):  # ours: we hold the lock
            shutil.rmtree(leftover)
        # In the cache's own folder, so that the last step is one atomic rename.
        with tempfile.TemporaryDirectory(
            dir=target.parent, prefix=f"building-{self.name}-"
        ) as folder:
            env = os.environ | {"GOBIN": folder, "GOFLAGS": "-buildvcs=false"}
            env.pop("GOOS", None)  # a cross build would neither run here nor obey GOBIN
            env.pop("GOARCH", None)
            command = [go, "install", "-v", "-trimpath", "-ldflags=-s -w", self.module]
            try:
                failure = self._run(command, env, report)
                if failure is None:
                    Path(folder, self.name).replace(target)
            except OSError as error:
                failure = str(error)
        if failure is not None:
            return Found(None, f"building {self.name} failed: {failure}")
        seconds = time.monotonic() - started
        return Found(target, f"{self.name} {self.version}, built in {seconds:.0f} s")

    def _run(self, command: list[str], env: dict[str, str], report: Report) -> str | None:
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
                        report(f"building {self.name}: {done} steps, {now - started:.0f} s")
                build.wait()
            except BaseException:
                build.kill()
                raise
            finally:
                limit.cancel()
        return None if build.returncode == 0 else " / ".join(last)[-400:] or "it was cut off"


def cache_folder() -> Path:
    """Where built programs are kept: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path has to be ignored.
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "cardfraud"


VERSITYGW: Final = GoProgram(
    "versitygw", "1.8.0", "github.com/versity/versitygw/cmd/versitygw@v1.8.0", "a few minutes"
)
"""The stack's own server; its build took 105 s of processor time on a 2-core machine."""

MINIO: Final = GoProgram(
    "minio",
    "20260212",
    "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c",
    "several minutes",
)
"""The last state of its archived repository: many installations run it. AGPL-3.0, so that it is
built on request and never shipped."""
