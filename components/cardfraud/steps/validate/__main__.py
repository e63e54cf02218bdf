"""``python -m cardfraud.steps.validate``: the validate step as a command.

For example ``--start 2018-04-01 --limits.max-quarantine-share 0.02``; the object store is found by
the ``CARDFRAUD_S3_...`` variables.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.steps.command import execute
from cardfraud.steps.validate.config import ValidateConfig
from cardfraud.steps.validate.result import ValidationResult
from cardfraud.steps.validate.step import run


def validate(config: ValidateConfig) -> ValidationResult:
    """Open the store and run the step."""
    return run(config, ObjectStore(ObjectStoreSettings()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the step with options from the command line; return the exit code."""
    return execute(ValidateConfig, validate, arguments)


if __name__ == "__main__":
    sys.exit(main())
