"""Small sets of files in a local folder, named by a digest, written whole or not at all.

A copy is a folder ``<group>/<digest>/``. It is written under another name, flushed to the disk and
renamed, so that a process that dies half-way, or two that write the same one, leave a whole copy
or none. A process holds the copy that it uses with a shared lock, which ends with the process:
nobody removes a copy that another one on this machine holds.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_COPY: Final = re.compile(r"sha256-[0-9a-f]{64}")
_PARTIAL: Final = ".partial-"
_ABANDONED_AFTER: Final = 60.0
"""Seconds after which an unlocked partial copy has lost its writer: locking takes microseconds."""
_IN_THE_WAY: Final = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}
_ATTEMPTS: Final = 5


class LocalCopies:
    """Copies below one folder; what is read from it must be verified by the reader."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder; it is made by the first write."""
        self.folder = folder
        self._held: dict[str, int] = {}

    def path(self, group: str, digest: str) -> Path:
        """Where a copy is, or would be."""
        return self.folder / group / digest

    def filled(self) -> bool:
        """Whether there is anything at all in the folder."""
        try:
            return next(self.folder.iterdir(), None) is not None
        except OSError:
            return False

    def digests(self, group: str) -> list[str]:
        """Digests of the copies of a group, the one used last first."""
        try:
            found = [
                (entry.stat().st_mtime_ns, entry.name)
                for entry in (self.folder / group).iterdir()
                if _COPY.fullmatch(entry.name)
            ]
        except OSError:  # no folder yet, or an entry that somebody removes just now
            return []
        return [name for _, name in sorted(found, reverse=True)]

    def write(self, group: str, digest: str, files: Mapping[str, bytes]) -> None:
        """Make sure that a copy has exactly these files; one that has them is only marked as used.

        Raises:
            OSError: the disk is full or read-only; nothing half-written stays in the copy's place.
        """
        target = self.path(group, digest)
        if _has(target, files):
            os.utime(target)
            return
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=target.parent))
        try:
            with _locked(partial, fcntl.LOCK_SH):
                for name, content in files.items():
                    _write_through(partial / name, content)
                _flush(partial)
                _install(partial, target, files)
                _flush(target.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def hold(self, group: str, digest: str) -> None:
        """Keep a copy from being removed while this process lives, and let go of the one before."""
        self.release(group)
        with contextlib.suppress(OSError):
            descriptor = os.open(self.path(group, digest), os.O_RDONLY)
            self._held[group] = descriptor
            # Without locks on this file system the order of use still protects the newest copies.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def release(self, group: str) -> None:
        """Let go of the copy of a group that this process holds, if it holds one."""
        descriptor = self._held.pop(group, None)
        if descriptor is not None:
            os.close(descriptor)

    def prune(self, group: str, keep: int) -> None:
        """Remove all but the ``keep`` copies used last, and what dead writers left; not held ones.

        Raises:
            OSError: the folder cannot be changed.
        """
        home = self.folder / group
        for digest in self.digests(group)[keep:]:
            _remove(home / digest)
        for partial in home.glob(f"{_PARTIAL}*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - partial.stat().st_mtime > _ABANDONED_AFTER:
                    _remove(partial)


def _has(folder: Path, files: Mapping[str, bytes]) -> bool:
    try:
        return {entry.name for entry in folder.iterdir()} == set(files) and all(
            (folder / name).read_bytes() == content for name, content in files.items()
        )
    except OSError:
        return False


def _write_through(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _install(partial: Path, target: Path, files: Mapping[str, bytes]) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            partial.rename(target)
        except OSError as error:
            if error.errno not in _IN_THE_WAY or attempt == _ATTEMPTS - 1:
                raise
        else:
            return
        if _has(target, files):
            return  # another process was faster
        _set_aside(target)  # damaged


def _set_aside(path: Path) -> None:
    """Take a copy out of its place in one step, then delete it."""
    aside = path.with_name(f"{_PARTIAL}{os.getpid()}-{time.monotonic_ns()}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
    with contextlib.suppress(OSError):
        aside.unlink()  # what lay there was no folder


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, BlockingIOError), _locked(path, fcntl.LOCK_EX):
        _set_aside(path)


@contextlib.contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # this file system has no such locks
            pass
        yield
    finally:
        os.close(descriptor)
