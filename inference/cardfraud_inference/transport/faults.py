"""Errors as answers: one mapping from exceptions to HTTP and gRPC statuses and to bodies.

A body is ``{"error": text, "request_id": id}``; with instances at fault it also has
``"details": [{"index", "field", "reason"}, ...]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import grpc
import structlog
from kserve import errors as kserve_errors
from starlette.exceptions import HTTPException

from cardfraud.contracts.scoring import InvalidInstances
from cardfraud.errors import MAX_MESSAGE, CardfraudError, InvalidField

_log = structlog.stdlib.get_logger(__name__)

_KSERVE: Final[dict[type[Exception], int]] = {
    kserve_errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    kserve_errors.ModelNotFound: HTTPStatus.NOT_FOUND,
    kserve_errors.ModelNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    kserve_errors.ServerNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    kserve_errors.ServerNotLive: HTTPStatus.SERVICE_UNAVAILABLE,
    kserve_errors.UnsupportedProtocol: HTTPStatus.NOT_IMPLEMENTED,
    NotImplementedError: HTTPStatus.NOT_IMPLEMENTED,
}
_GRPC: Final[dict[int, grpc.StatusCode]] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ABORTED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What a client is told.

    Attributes:
        status: of HTTP.
        message: in words.
        details: the instances at fault; empty unless there are any.
    """

    status: int
    message: str
    details: tuple[dict[str, str | int], ...] = ()

    @property
    def grpc_status(self) -> grpc.StatusCode:
        """The same of gRPC."""
        return _GRPC.get(self.status, grpc.StatusCode.INTERNAL)

    def body(self, request_id: str) -> dict[str, Any]:
        """The answer's body."""
        body: dict[str, Any] = {"error": self.message, "request_id": request_id}
        if self.details:
            body["details"] = list(self.details)
        return body


def fault_of(error: Exception, request_id: str) -> Fault:
    """Return what to tell the client; what is our own fault is logged here and told in brief."""
    if isinstance(error, InvalidInstances):
        return Fault(error.status, str(error), tuple(error.details()))
    if isinstance(error, InvalidField):
        detail: dict[str, str | int] = {
            "index": error.index,
            "field": error.field,
            "reason": error.reason,
        }
        return Fault(error.status, str(error), (detail,))
    if isinstance(error, CardfraudError) and error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        return Fault(error.status, str(error))
    if isinstance(error, HTTPException):
        return Fault(error.status_code, str(error.detail)[:MAX_MESSAGE])
    for kind, status in _KSERVE.items():
        if isinstance(error, kind):
            # KServe repeats names as long as they come.
            return Fault(status, str(error)[:MAX_MESSAGE] or HTTPStatus(status).phrase)
    _log.error("request failed", request_id=request_id, exc_info=error)
    return Fault(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")
