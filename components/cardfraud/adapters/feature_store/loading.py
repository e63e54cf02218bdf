"""Imports Feast without what its import does to the process."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_VARIABLES: Final = ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR")


def load_feast() -> None:
    """Import Feast and put the environment back.

    Feast's import sets variables that switch the Prometheus client to files that several processes
    share. The client looks at them when it is imported, so that is done first; and servers and
    child processes that look at them later must not find them.
    """
    if "feast" in sys.modules:
        return
    before = {name: os.environ.get(name) for name in _VARIABLES}
    importlib.import_module("prometheus_client")
    with _without_type_checks():
        importlib.import_module("feast")
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _without_type_checks() -> Iterator[None]:
    """Let Feast's ``@typechecked`` leave its classes as they are.

    It rewrites and compiles every method again to check types at run time, which takes half of the
    time of the import (3 s of 7), in every process that has a feature store.
    """
    try:
        typeguard: Any = importlib.import_module("typeguard")
    except ImportError:  # a Feast that does not check
        yield
        return
    checked = typeguard.typechecked

    def unchecked(target: Any = None, **options: Any) -> Any:
        del options
        return target if target is not None else unchecked

    typeguard.typechecked = unchecked
    try:
        yield
    finally:
        typeguard.typechecked = checked
