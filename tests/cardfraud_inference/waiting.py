"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable


def until(done: Callable[[], bool]) -> None:
    """Wait until ``done``; give up after a minute."""
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.05)
