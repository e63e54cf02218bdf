"""gRPC: KServe's service of the Open Inference Protocol with our limits, errors and ids.

A client gets the request's id as initial metadata ``x-request-id`` and, where instances are at
fault, their list as JSON in the trailing metadata ``x-error-details``.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc import StatusCode, aio
from kserve import InferRequest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as service
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.grpc.server import GRPCServer
from kserve.protocol.grpc.servicer import InferenceServicer

from cardfraud.contracts.scoring import MAX_BODY_BYTES
from cardfraud.errors import InvalidInput, Unavailable
from cardfraud_inference.telemetry import metrics
from cardfraud_inference.transport.faults import fault_of
from cardfraud_inference.transport.request import REQUEST_ID, begin, current

_log = structlog.stdlib.get_logger("cardfraud_inference.access")

DETAILS: Final = "x-error-details"
_SERVICE: Final = "inference.GRPCInferenceService"
_MAX_DETAILS_BYTES: Final = 4_000
"""gRPC clients take 8 KiB of metadata unless told otherwise."""


class Servicer(InferenceServicer):  # type: ignore[misc]  # kserve is untyped
    """KServe's service without the calls that load and unload models."""

    def __init__(self, *arguments: Any) -> None:
        """Take KServe's arguments."""
        super().__init__(*arguments)
        self._under_way: set[asyncio.Task[Any]] = set()

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
        """Answer one request."""
        headers = {
            item.key: item.value
            for item in context.invocation_metadata()
            if isinstance(item.value, str)
        }
        begun = begin(headers)
        await context.send_initial_metadata(((REQUEST_ID, begun.request_id),))
        if request is None:
            raise InvalidInput("the message is no ModelInferRequest")
        self.validate_grpc_request(request)
        try:
            infer_request = InferRequest.from_grpc(request)
        except (ValueError, TypeError) as error:
            raise InvalidInput(f"the request cannot be read: {error}") from error
        model = request.model_name
        if not await self._data_plane.model_ready(model, True):  # noqa: FBT003 (KServe's signature)
            raise Unavailable(f"model {model[:80]}", "it is not ready")
        # gRPC ends the handler of a client that gives up; whoever asked the same in the meantime
        # waits for this answer, and the log for its row.
        work = asyncio.create_task(self._data_plane.infer(model, infer_request, headers))
        self._under_way.add(work)
        work.add_done_callback(self._ended)
        response, _ = await asyncio.shield(work)
        metrics.count_request("grpc", StatusCode.OK.name)
        return response.to_grpc()

    def _ended(self, work: asyncio.Task[Any]) -> None:
        self._under_way.discard(work)
        if not work.cancelled():
            work.exception()  # so that nobody is told of an error that nobody waited for

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse: what is served is settled at the start."""
        del request
        await context.abort(StatusCode.UNIMPLEMENTED, "models are not loaded over the network")

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuse, likewise."""
        del request
        await context.abort(StatusCode.UNIMPLEMENTED, "models are not unloaded over the network")


class Faults(ExceptionToStatusInterceptor):  # type: ignore[misc]  # kserve is untyped
    """Turns exceptions into statuses as REST does."""

    async def handle_exception(
        self, ex: Exception, request_or_iterator: Any, context: Any, method_name: str
    ) -> None:
        """End the call with the status that fits."""
        del request_or_iterator
        if isinstance(ex, aio.AbortError):
            raise ex
        try:
            request_id = current().request_id
        except LookupError:  # a call that has no id, such as ModelReady
            request_id = ""
        fault = fault_of(ex, request_id)
        if fault.details:
            details = json.dumps(fault.details[:20])
            while len(details) > _MAX_DETAILS_BYTES:
                details = json.dumps(json.loads(details)[:-1])
            context.set_trailing_metadata(((DETAILS, details),))
        if method_name.endswith("/ModelInfer"):
            metrics.count_request("grpc", fault.grpc_status.name)
        await context.abort(fault.grpc_status, fault.message)


class RpcServer(GRPCServer):  # type: ignore[misc]  # kserve is untyped
    """KServe's gRPC server on one address."""

    def __init__(self, *arguments: Any, host: str, **options: Any) -> None:
        """Take KServe's arguments and the address to listen on."""
        super().__init__(*arguments, **options)
        self._host = host

    async def start(self, max_workers: int) -> None:
        """Listen until stopped.

        Raises:
            Unavailable: the port cannot be had.
        """
        self._server = aio.server(
            ThreadPoolExecutor(max_workers=max_workers),
            interceptors=(Faults(),),
            options=[
                ("grpc.max_receive_message_length", MAX_BODY_BYTES),
                ("grpc.so_reuseport", 0),
            ],
        )
        servicer = Servicer(self._data_plane, self._model_repository_extension)
        service.add_GRPCInferenceServiceServicer_to_server(servicer, self._server)
        self._server.add_registered_method_handlers(_SERVICE, {"ModelInfer": _infer(servicer)})
        address = f"{self._host}:{self._port}"
        try:
            self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise Unavailable(f"gRPC address {address}", "it cannot be listened on") from error
        await self._server.start()
        await self._server.wait_for_termination()


def _infer(servicer: Servicer) -> Any:
    """Return what answers ``ModelInfer``, also for bytes that are no message.

    gRPC itself would call these an unknown error of the server, and log a traceback for each.
    """
    return grpc.unary_unary_rpc_method_handler(
        servicer.ModelInfer,
        request_deserializer=_message,
        response_serializer=messages.ModelInferResponse.SerializeToString,
    )


def _message(content: bytes) -> Any:
    """Read a request; None where there is none."""
    try:
        return messages.ModelInferRequest.FromString(content)
    except DecodeError:
        return None
