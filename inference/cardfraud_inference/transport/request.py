"""What is known of a request besides its body: its ids, when it began, how far it may go."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

REQUEST_ID: Final = "x-request-id"
TRACK: Final = "x-fraud-track"
FORWARDED: Final = (REQUEST_ID, "traceparent", "tracestate", "x-b3-traceid", TRACK)
"""Headers that the predictor gets from the transformer's client, where the client sent them.

``traceparent`` and ``tracestate`` are W3C Trace Context.
"""
_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request.

    Attributes:
        request_id: the client's, or one made here.
        headers: those of ``FORWARDED`` that there are; the id always.
        started: ``time.perf_counter()`` when its first byte was read.
    """

    request_id: str
    headers: Mapping[str, str]
    started: float = field(default_factory=time.perf_counter)

    @property
    def milliseconds(self) -> float:
        """Time since its first byte."""
        return (time.perf_counter() - self.started) * 1_000


_current: ContextVar[RequestContext] = ContextVar("request")


def begin(headers: Mapping[str, str]) -> RequestContext:
    """Open the context of a request.

    Args:
        headers: of HTTP or gRPC, names in lower case. An id that is not 1 to 128 harmless
            characters is replaced, because it comes to stand in logs and headers.
    """
    given = headers.get(REQUEST_ID, "")
    request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
    forwarded = {name: headers[name] for name in FORWARDED if name in headers}
    context = RequestContext(request_id, forwarded | {REQUEST_ID: request_id})
    _current.set(context)
    return context


def current() -> RequestContext:
    """Return the context of the request that is being answered."""
    return _current.get()
