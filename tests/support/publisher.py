"""A publisher as a process of its own, which can be stopped before any of its writes.

``python -m tests.support.publisher MODEL SIZE STOP`` publishes a bundle whose graph is MODEL, SIZE
times, and lets the champion name it. Before write number STOP (from 0: five files, the manifest,
the alias) it says ``stopped`` and waits for a line. Its last line is the digest, or why it gave up.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from cardfraud.adapters.bundles import publish_bundle
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.adapters.pointers import alias_digest, move_alias
from cardfraud.errors import CardfraudError
from tests.support.bundles import bundle_files

NEVER = 99
BEFORE_THE_MANIFEST = 5
BEFORE_THE_ALIAS = 6


class StoppingStore(ObjectStore):
    """A store that waits for a word before one of its writes."""

    def __init__(self, stop: int) -> None:
        super().__init__(ObjectStoreSettings())
        self._stop = stop
        self._writes = 0

    def put_if_absent(self, key: str, content: bytes) -> str:
        """Write, when it may."""
        self._wait()
        return super().put_if_absent(key, content)

    def put_if_match(self, key: str, content: bytes, etag: str) -> str:
        """Write, when it may."""
        self._wait()
        return super().put_if_match(key, content, etag)

    def _wait(self) -> None:
        if self._writes == self._stop:
            say("stopped")
            sys.stdin.readline()
        self._writes += 1


def say(line: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def publish(store: ObjectStore, model: bytes) -> str:
    """Publish a bundle and let the champion name it; return its digest."""
    seen = alias_digest(store, "models", "fraud", "champion")
    digest = publish_bundle(store, bundle_files(model), "fraud", "x").bundle_digest
    move_alias(store, "models", "fraud", "champion", digest, expected=seen)
    return digest


def main(model: str, size: str, stop: str) -> int:
    """Publish as a process does."""
    try:
        say(publish(StoppingStore(int(stop)), model.encode() * int(size)))
    except CardfraudError as error:
        say(f"{type(error).__name__}: {error}")
        return 1
    return 0


@dataclass
class Publisher:
    """One such process."""

    process: subprocess.Popen[str]

    @classmethod
    def start(
        cls, environment: Mapping[str, str], model: str, *, size: int = 1, stop: int = NEVER
    ) -> "Publisher":
        """Start one."""
        command = [sys.executable, "-m", "tests.support.publisher", model, str(size), str(stop)]
        pipe = subprocess.PIPE
        return cls(subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True))

    def wait_until_stopped(self) -> None:
        """Return once it waits before its write."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "stopped\n"

    def release(self) -> None:
        """Let it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def ended(self) -> tuple[int, str]:
        """Its status and its last line."""
        said, _ = self.process.communicate(timeout=60)
        return self.process.returncode, said.strip().rpartition("\n")[2]

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.communicate(timeout=60)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
