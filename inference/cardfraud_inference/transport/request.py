"""What is known of a request besides its body: its ids, when it began, how far it may go."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, get_args

from cardfraud.contracts.tracks import TrackName

REQUEST_ID: Final = "x-request-id"
TRACK: Final = "x-fraud-track"
_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_FORMS: Final = {
    "traceparent": re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"),
    "tracestate": re.compile(r"[ -~\t]{1,512}"),
    "x-b3-traceid": re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}"),
    TRACK: re.compile("|".join(get_args(TrackName))),
}
"""What each header may be, because it comes to stand in logs; another value counts as absent.

The first two are of W3C Trace Context, sections 3.2 and 3.3: version 00, neither id all zeros, and
the 512 characters of state that everybody must take.
"""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request.

    Attributes:
        request_id: the client's, or one made here.
        headers: what the predictor gets from the transformer's client: the id always, and trace
            context and track where the client sent them in their proper form.
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
    forwarded = {
        name: headers[name]
        for name, form in _FORMS.items()
        if name in headers and form.fullmatch(headers[name])
    }
    if "traceparent" not in forwarded:  # without it the state belongs to nothing
        forwarded.pop("tracestate", None)
    context = RequestContext(request_id, forwarded | {REQUEST_ID: request_id})
    _current.set(context)
    return context


def current() -> RequestContext:
    """Return the context of the request that is being answered."""
    return _current.get()
