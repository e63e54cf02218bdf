"""Starts parts in order, waits for their answers, and stops what it started."""

import fcntl
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from cardfraud_pipelines.local.errors import NotAStack, StackInUse
from cardfraud_pipelines.local.leftovers import MARK, end_leftovers
from cardfraud_pipelines.local.part import Part, RunningPart

Report = Callable[[str], None]
"""Takes one line about what is going on, for people."""


def silent(_line: str) -> None:
    """Report nothing."""


class Supervisor:
    """A context in which parts run; none of them outlives it.

    The folder is this run's own: it is emptied at the start, a lock keeps a second run out of it,
    and what a crashed run left alive is ended first. Afterwards logs and data stay for a look.
    """

    def __init__(self, folder: Path, *, report: Report = silent) -> None:
        """Say where logs and data live.

        Args:
            folder: made when missing; its content is removed when the context is entered.
            report: gets one line for each part that answers.
        """
        self.folder = folder.absolute()
        self._report = report
        self._token = secrets.token_hex(16)
        self._parts: dict[str, RunningPart] = {}
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        """Take the folder.

        Raises:
            StackInUse: another process has it.
            NotAStack: there is something in it that no stack put there.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        found = next(self.folder.iterdir(), None)
        if found is not None and not (self.folder / "lock").exists():
            raise NotAStack(self.folder, found.name)
        lock = (self.folder / "lock").open("a+", encoding="utf-8")
        try:
            # The kernel releases it when this process ends, in whatever way.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise StackInUse(self.folder) from error
        self._lock = lock
        lock.seek(0)
        for pid in end_leftovers(lock.read().strip()):
            self._report(f"ended process {pid}, left over from an earlier stack")
        lock.seek(0)
        lock.truncate()
        lock.write(self._token)
        lock.flush()
        for entry in self.folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Stop every part, the last one first, and leave the folder to the next run."""
        try:
            while self._parts:
                _, running = self._parts.popitem()
                running.stop()
            end_leftovers(self._token)  # whatever slipped away from its guardian
        finally:
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    def start(self, part: Part) -> None:
        """Start a part without waiting for it; ``wait`` does that.

        Raises:
            ValueError: a part of that name runs already.
        """
        if part.name in self._parts:
            msg = f"part {part.name!r} runs already"
            raise ValueError(msg)
        log = self.folder / f"{part.name}.log"
        self._parts[part.name] = RunningPart(part, log, {MARK: self._token})

    def wait(self, name: str) -> float:
        """Wait until a started part answers; return the seconds since its start.

        Raises:
            PartFailed: it ended, or did not answer in time.
        """
        elapsed = self._parts[name].wait_until_ready()
        self._report(f"{name} answers after {elapsed:.1f} s")
        return elapsed

    def run(self, part: Part) -> float:
        """Start a part and wait until it answers; return the seconds that took.

        Raises:
            PartFailed: it ended, or did not answer in time.
        """
        self.start(part)
        return self.wait(part.name)

    def stop(self, name: str) -> None:
        """Stop one part and forget it, so that it may be started anew."""
        self._parts.pop(name).stop()

    def check(self) -> None:
        """Do nothing while all parts run.

        Raises:
            PartFailed: the first one, in the order of their start, that has ended.
        """
        for running in self._parts.values():
            running.check()

    def hold(self) -> None:
        """Block until the user interrupts (KeyboardInterrupt goes through) or a part ends.

        Raises:
            PartFailed: a part has ended.
        """
        while True:
            self.check()
            time.sleep(0.5)
