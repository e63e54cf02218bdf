"""Runs one part and ends it, with all that it started, when told to or when the supervisor is gone.

Started by path with ``python -I -S``, as the leader of its own session, and therefore limited to
the standard library::

    guardian.py GRACE_SECONDS COMMAND [ARGUMENT ...]

Its standard input is the read end of a pipe whose other end only the supervisor holds. However the
supervisor ends, ``SIGKILL`` included, the kernel closes that end and the guardian sees it. (A death
signal alone would not do: Linux sends it when the *thread* that started the part ends, and it does
not reach the processes that a part starts itself.) The part in turn gets a death signal from the
guardian, for the case that somebody kills the guardian.
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    """Call prctl(2); only Linux has it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _die_with(guardian: int) -> Callable[[], None]:
    """Return what the child does between fork and exec."""
    libc_prctl = _prctl  # resolved before the fork

    def prepare() -> None:
        libc_prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guardian:  # it ended before the signal was set
            os._exit(1)

    return prepare


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        return


def _adopted() -> list[int]:
    """Processes that lost their parent and came to us, as the nearest subreaper (Linux only)."""
    try:
        return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]
    except OSError:
        return []


def _end_adopted(part: int) -> None:
    """Kill what left the part's process group, until nothing comes up any more."""
    while orphans := [pid for pid in _adopted() if pid != part]:
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)  # our own child: its number cannot have been given away
            os.waitpid(pid, 0)


def _stop(part: subprocess.Popen[bytes], grace: float) -> None:
    _signal_group(part.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while part.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def main(arguments: list[str]) -> int:
    """Run the part until it ends or has to end; return its exit status as a shell would."""
    grace, command = float(arguments[0]), arguments[1:]
    asked_to_stop = False

    def on_signal(number: int, _frame: FrameType | None) -> None:
        nonlocal asked_to_stop
        asked_to_stop = asked_to_stop or number != signal.SIGCHLD

    wake, woken = socket.socketpair()
    woken.settimeout(0)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, on_signal)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    part = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - this process has one thread
    )
    lifeline = sys.stdin.fileno()
    while part.poll() is None and not asked_to_stop:
        readable, _, _ = select.select([lifeline, wake], [], [])
        if lifeline in readable:  # nothing is ever written there, so this is its end
            break
        if wake in readable:
            wake.recv(64)
    if part.poll() is None:
        _stop(part, grace)
    _signal_group(part.pid, signal.SIGKILL)
    status = part.wait()
    _end_adopted(part.pid)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
