"""One part of the local stack: what it is, and one run of it."""

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cardfraud_pipelines.local import guardian
from cardfraud_pipelines.local.errors import PartFailed

TAIL_LINES = 20
TAIL_WIDTH = 300

# Settings of the caller that would point a part at another account, profile or server.
_NOT_INHERITED = ("AWS_", "MLFLOW_", "VGW_", "MINIO_", "ROOT_ACCESS_KEY", "ROOT_SECRET_", "LOGFILE")


@dataclass(frozen=True, kw_only=True)
class Part:
    """What the supervisor has to know about one server.

    Attributes:
        name: short name, also of its log file.
        command: program and arguments. No secrets here: every user can read them.
        ready: returns True once the server answers; False or an error means "not yet".
        env: variables on top of the inherited ones.
        ready_within: seconds from the start to the first answer.
        stop_within: seconds from SIGTERM to SIGKILL.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    ready_within: float = 30.0
    stop_within: float = 10.0


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
    # The parts talk over loopback; a proxy of the surrounding network must not come between.
    exempt = [name for key in ("no_proxy", "NO_PROXY") if (name := inherited.get(key))]
    no_proxy = ",".join([*exempt, "127.0.0.1", "localhost"])
    given = {
        "no_proxy": no_proxy,
        "NO_PROXY": no_proxy,
        "PYTHONUNBUFFERED": "1",  # a log is complete, and in order, at any moment
    }
    return inherited | given | dict(extra)


class RunningPart:
    """One run of a part, under its guardian."""

    def __init__(self, part: Part, log: Path, extra: Mapping[str, str]) -> None:
        """Start the part; everything it writes goes to ``log``.

        Args:
            part: what to run.
            log: this file is replaced.
            extra: variables that the supervisor gives to every part.
        """
        self.part = part
        self.log = log
        self._started = time.monotonic()
        self._stopped = False
        command = [sys.executable, "-I", "-S", guardian.__file__, str(part.stop_within)]
        with log.open("wb") as sink:
            self._guardian = subprocess.Popen(
                [*command, *part.command],
                stdin=subprocess.PIPE,  # the guardian's lifeline: closed when this process ends
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=_environment({**part.env, **extra}),
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the part has not ended."""
        return self._guardian.poll() is None

    def tail(self) -> tuple[str, ...]:
        """Return the last lines of the log, each bounded in length."""
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            last = deque((line.rstrip() for line in lines), maxlen=TAIL_LINES)
        return tuple(line[:TAIL_WIDTH] for line in last)

    def check(self) -> None:
        """Do nothing while the part runs.

        Raises:
            PartFailed: it has ended.
        """
        status = self._guardian.poll()
        if status is not None and not self._stopped:
            raise self._failed(f"it ended with status {status}")

    def wait_until_ready(self) -> float:
        """Wait for the first answer; return the seconds since the start.

        Raises:
            PartFailed: it ended, or did not answer in time.
        """
        doubt = "no answer yet"
        while True:
            self.check()
            try:
                ready = self.part.ready()
            except Exception as error:  # noqa: BLE001 - whatever a client raises means "not yet"
                ready, doubt = False, f"{type(error).__name__}: {error}"
            elapsed = time.monotonic() - self._started
            if ready:
                self.check()  # somebody else may have answered on its port
                return elapsed
            if elapsed > self.part.ready_within:
                raise self._failed(f"not ready after {elapsed:.0f} s ({doubt[:200]})")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the part and all that it started: SIGTERM, then SIGKILL. Safe to repeat."""
        self._stopped = True
        if self._guardian.stdin is not None and not self._guardian.stdin.closed:
            self._guardian.stdin.close()  # tells the guardian to end the part
        try:
            self._guardian.wait(timeout=self.part.stop_within + 5)
        except subprocess.TimeoutExpired:
            self._guardian.kill()  # its death signal takes the part with it
            self._guardian.wait()

    def _failed(self, reason: str) -> PartFailed:
        return PartFailed(self.part.name, reason, log=self.log, tail=self.tail())
