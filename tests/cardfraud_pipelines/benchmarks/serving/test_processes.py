"""Processor time, memory and listeners are read from the kernel."""

import os
import socket
import time

import pytest

from cardfraud_pipelines.benchmarks.serving.processes import cpu_seconds, listener, resident_mib


def test_processor_time_counts_what_a_process_did() -> None:
    """Work of this process is in its time, and its time is what Python says too."""
    before = cpu_seconds([os.getpid()])
    while time.process_time() < before + 0.1:
        sum(range(10_000))
    assert cpu_seconds([os.getpid()]) >= before + 0.05
    assert cpu_seconds([os.getpid()]) == pytest.approx(time.process_time(), abs=0.05)


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
