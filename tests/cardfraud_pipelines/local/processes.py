"""Finds the processes of a stack from outside, by the mark that they carry (Linux)."""

import ipaddress
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

linux_only = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="looks processes up in /proc"
)


def token_of(folder: Path) -> str:
    """Return the random mark of the stack that runs, or ran last, in this folder."""
    return (folder / "lock").read_text().strip()


def marked(token: str) -> set[int]:
    """Return the processes that carry this mark and have not ended."""
    assert token
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # Empty for a process that has ended and waits for its parent.
            environ = (entry / "environ").read_bytes()
        except OSError:
            continue
        if f"CARDFRAUD_LOCAL_STACK={token}".encode() in environ.split(b"\0"):
            found.add(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Say whether this process exists and has not ended."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def eventually(condition: Callable[[], bool], *, within: float = 60.0) -> bool:
    """Wait for a condition; the limit is generous, it only ends a test that has failed."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def python(code: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run some Python in a process of its own, which ends with the block."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def listening(port: int) -> set[str]:
    """Return the addresses, IPv4 and IPv6, on which some server listens on this port."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:  # TCP_LISTEN
                words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
                packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
                found.add(str(ipaddress.ip_address(packed)))
    return found


def first_line(process: subprocess.Popen[bytes]) -> str:
    """Wait for the first line that the process writes and return it."""
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()
