"""Imports Feast without what its import does to the process."""

from __future__ import annotations

import importlib
import os
from typing import Final

_VARIABLES: Final = ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR")


def load_feast() -> None:
    """Import Feast and put the environment back.

    Feast's import sets variables that switch the Prometheus client to files that several processes
    share. The client looks at them when it is imported, so that is done first; and servers and
    child processes that look at them later must not find them.
    """
    before = {name: os.environ.get(name) for name in _VARIABLES}
    importlib.import_module("prometheus_client")
    importlib.import_module("feast")
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
