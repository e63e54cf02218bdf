"""Structured logs: one JSON object a line on standard output, no payloads and no ids of users.

Records of libraries (uvicorn, kserve, feast) come out in the same form.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor

_SHARED: Final[list[Processor]] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
LONGEST_TRACEBACK: Final = 6_000
"""Characters of a traceback that are logged; of a longer one the ends are, which say most."""
_QUIET: Final = ("kserve", "kserve.trace", "uvicorn.access", "botocore", "feast")


def bound_traceback(logger: Any, method: str, event: EventDict) -> EventDict:
    """Cut the traceback of a record in its middle (a processor of structlog)."""
    del logger, method
    text = event.get("exception")
    if isinstance(text, str) and len(text) > LONGEST_TRACEBACK:
        half = LONGEST_TRACEBACK // 2
        event["exception"] = f"{text[:half]}\n[...]\n{text[-half:]}"
    return event


_EXCEPTIONS: Final[list[Processor]] = [structlog.processors.format_exc_info, bound_traceback]


def configure_logs(level: str) -> None:
    """Send everything that is logged in this process through one structured handler."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            *_EXCEPTIONS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, *_EXCEPTIONS],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # KServe configures its loggers unless they have a handler, and logs payload errors at length.
    for name in _QUIET:
        quiet = logging.getLogger(name)
        quiet.handlers = [logging.NullHandler()]
        quiet.propagate = name not in {"kserve.trace", "uvicorn.access"}
        quiet.setLevel(logging.WARNING)
    # Uvicorn makes up its line for each request wherever there is a handler, one that is silent
    # too; each request has a line of ours.
    logging.getLogger("uvicorn.access").handlers = []


def logger(name: str) -> Any:
    """Return the structured logger of a module."""
    return structlog.stdlib.get_logger(name)
