"""What can go wrong with the local stack.

::

    CardfraudError
    ├── Unavailable
    │   └── PartFailed       a part ended, or did not answer in time; carries the end of its log
    └── Conflict
        ├── PortTaken        a port that was asked for is in use
        ├── StackInUse       another process runs a stack in the same folder
        └── NotAStack        the folder holds something that no stack put there
"""

from pathlib import Path

from cardfraud.errors import Conflict, Unavailable


class PartFailed(Unavailable):
    """A part of the local stack ended, or did not answer in time.

    Attributes:
        part: name of the part.
        reason: what was seen of it.
        log: the file with everything that the part wrote.
        tail: the last lines of that file.
    """

    def __init__(self, part: str, reason: str, *, log: Path, tail: tuple[str, ...]) -> None:
        """Build the message; the lines of the log follow it when the error is printed."""
        self.log = log
        self.tail = tail
        super().__init__(part, reason)

    def __str__(self) -> str:
        """Return the message and, below it, the last lines of the part's log."""
        if not self.tail:
            return f"{self.message}; its log {self.log} is empty"
        lines = "\n".join(f"  {line}" for line in self.tail)
        return f"{self.message}; the end of {self.log}:\n{lines}"


class PortTaken(Conflict):
    """A port that was asked for is in use."""

    def __init__(self, port: int) -> None:
        """Name the port."""
        self.port = port
        super().__init__(
            f"127.0.0.1:{port}",
            "the port is in use",
            hint="stop what listens there, or let a free port be picked",
        )


class StackInUse(Conflict):
    """Another process runs a stack in the same folder."""

    def __init__(self, folder: Path) -> None:
        """Name the folder."""
        self.folder = folder
        super().__init__(
            str(folder),
            "another process runs its local stack here",
            hint="stop that process first",
        )


class NotAStack(Conflict):
    """The folder holds something that no stack put there, and a start would delete it."""

    def __init__(self, folder: Path, found: str) -> None:
        """Name the folder and one of the things in it."""
        self.folder = folder
        super().__init__(
            str(folder),
            f"it holds {found!r} and was not made by a stack; a start would delete it",
            hint="name an empty or a new folder",
        )
