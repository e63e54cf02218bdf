"""Processor time and memory of processes, from Linux's ``/proc``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12
"""Positions in ``stat`` after the command's name; see proc(5)."""


def cpu_seconds(processes: Iterable[int]) -> float:
    """Return user and system time of all threads of some processes, in steps of 10 ms."""
    ticks = 0
    for process in processes:
        # The name stands in parentheses and may hold blanks and parentheses itself.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[_UTIME]) + int(fields[_STIME])
    return ticks / _TICKS


def resident_mib(processes: Iterable[int]) -> float:
    """Return the resident memory of some processes together, in MiB."""
    pages = sum(int(Path(f"/proc/{p}/statm").read_text().split()[1]) for p in processes)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def listener(port: int) -> int:
    """Return the process that listens on a loopback port.

    Raises:
        ProcessLookupError: no process of this user does.
    """
    inodes = {f"socket:[{line[9]}]" for line in _sockets() if _listens(line, port)}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and _holds(entry / "fd", inodes):
            return int(entry.name)
    raise ProcessLookupError(port)


def _sockets() -> Iterable[list[str]]:
    return (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])


def _listens(line: list[str], port: int) -> bool:
    return line[3] == "0A" and int(line[1].rpartition(":")[2], 16) == port


def _holds(folder: Path, inodes: set[str]) -> bool:
    try:
        return any(str(file.readlink()) in inodes for file in folder.iterdir())
    except OSError:  # it ended, or is not ours
        return False
