"""Processor time, memory and listeners are read from the kernel."""

import os
import socket
import time

import pytest

from cardfraud_pipelines.benchmarks.serving.processes import cpu_seconds, listener, resident_mib


def test_processor_time_counts_what_a_process_did() -> None:
    """User and system time are both counted: the sum lies between two readings of Python's own."""
    start = os.times()
    while min(os.times().user - start.user, os.times().system - start.system) < 0.1:
        sum(range(10_000))
        os.urandom(2**18)
    earlier = time.process_time()
    seconds = cpu_seconds([os.getpid()])
    later = time.process_time()
    # The kernel cuts user and system time to whole ticks, each for itself.
    assert earlier - 2 / os.sysconf("SC_CLK_TCK") <= seconds <= later
    assert cpu_seconds([os.getpid(), os.getpid()]) >= 2 * seconds


def test_memory_counts_what_a_process_holds() -> None:
    """Sixty-four mebibytes more are seen, and two processes are added up."""
    before = resident_mib([os.getpid()])
    held = bytearray(os.urandom(64 * 2**20))
    assert resident_mib([os.getpid()]) > before + 50
    assert len(held) == 64 * 2**20
    one = resident_mib([os.getppid()])
    assert resident_mib([os.getppid(), os.getpid()]) > one


def test_a_listener_is_found_by_its_port() -> None:
    """The process that listens is named; nobody listens on a port that was closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listener(port) == os.getpid()
    with pytest.raises(ProcessLookupError):
        listener(port)
