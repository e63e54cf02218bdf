"""The step that publishes, as a process of its own that stops before it writes one object.

``python -m tests.support.publication RUN KEY`` publishes the candidate of RUN. Before it writes KEY
it says ``stopped`` and waits for a line that may never come.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.adapters.registry import Tracking, TrackingSettings
from cardfraud.steps.publish.config import PublishConfig
from cardfraud.steps.publish.step import run


class StoppingStore(ObjectStore):
    """A store that waits for a word before it writes one key."""

    def __init__(self, key: str) -> None:
        super().__init__(ObjectStoreSettings())
        self._key = key

    def put_if_absent(self, key: str, content: bytes) -> str:
        """Write, when it may."""
        self._wait(key)
        return super().put_if_absent(key, content)

    def put_if_match(self, key: str, content: bytes, etag: str) -> str:
        """Write, when it may."""
        self._wait(key)
        return super().put_if_match(key, content, etag)

    def _wait(self, key: str) -> None:
        if key == self._key:
            sys.stdout.write("stopped\n")
            sys.stdout.flush()
            sys.stdin.readline()


@contextmanager
def stopped_before(key: str, run_id: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Publish until the process stops before this key; it is killed when the block ends."""
    command = [sys.executable, "-m", "tests.support.publication", run_id, key]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert "stopped\n" in lines, f"it ended with status {process.wait(timeout=60)}"
        yield
    finally:
        process.kill()
        process.communicate(timeout=60)


if __name__ == "__main__":
    store = StoppingStore(sys.argv[2])
    run(PublishConfig(run_id=sys.argv[1]), store, Tracking(TrackingSettings(), store.settings))
