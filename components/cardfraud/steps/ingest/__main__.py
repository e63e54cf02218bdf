"""``python -m cardfraud.steps.ingest``: the ingest step as a command.

For example ``--source.kind handbook --source.path DIR --start 2018-04-01``; the object store is
found by the ``CARDFRAUD_S3_...`` variables.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.steps.command import execute
from cardfraud.steps.ingest.config import IngestConfig
from cardfraud.steps.ingest.sources import SimulatorSource, SourceConfig, open_source
from cardfraud.steps.ingest.step import IngestResult, run


class IngestCommand(IngestConfig):
    """Write a source's days to the object store as raw partitions.

    Attributes:
        source: where the transactions come from.
    """

    source: SourceConfig = SimulatorSource()


def ingest(command: IngestCommand) -> IngestResult:
    """Open the source and the store, and run the step."""
    return run(command, open_source(command.source), ObjectStore(ObjectStoreSettings()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the step with options from the command line; return the exit code."""
    return execute(IngestCommand, ingest, arguments)


if __name__ == "__main__":
    sys.exit(main())
