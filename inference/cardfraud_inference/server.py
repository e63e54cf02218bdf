"""KServe's model server with one process, one address, our transports, and an orderly end.

At the start the model is opened before a port is: whoever can connect gets an answer, and a part
that is down ends the process with an error that names it. At SIGTERM requests in flight are
answered, then gRPC ends, then the model closes what it holds.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from typing import Any, Protocol

import structlog
import uvloop
from kserve import ModelServer, PredictorConfig
from kserve.constants.constants import FASTAPI_APP_IMPORT_STRING
from kserve.protocol.dataplane import DataPlane

from cardfraud_inference.settings import ServerSettings
from cardfraud_inference.transport.rest import RestServer
from cardfraud_inference.transport.rpc import RpcServer

_log = structlog.stdlib.get_logger(__name__)

_RPC_THREADS = 2
_COLLECT = (2_000, 1_000, 10)
"""Objects made before the collector looks at the youngest, and such looks before it looks at all.

A look takes 0.3 us for each object that is still there, and those of kept answers are. After 20,000
objects it held every request up for 6 ms, and each tenth look, at the older ones too, for 75 ms.
After 2,000 it takes 0.4 ms, and the older ones are looked at every few minutes.
"""
_SWITCH_S = 0.0005
"""Seconds that a thread keeps the interpreter while another one waits for it."""


class ServedModel(Protocol):
    """A ``kserve.Model`` that holds connections."""

    name: str
    ready: bool

    async def open(self) -> None:
        """Verify and connect everything; raise when it cannot be served."""

    async def close(self) -> None:
        """Let go of everything."""


class Server(ModelServer):  # type: ignore[misc]  # kserve is untyped
    """Serves one model over REST and gRPC until it is told to stop."""

    def __init__(self, settings: ServerSettings, predictor: PredictorConfig | None = None) -> None:
        """Take the settings; ``predictor`` is what a transformer stands before."""
        super().__init__(
            http_port=settings.http_port,
            grpc_port=settings.grpc_port,
            workers=1,
            enable_grpc=settings.enable_grpc,
            enable_latency_logging=False,
            grace_period=max(1, round(settings.grace_s)),
            predictor_config=predictor or PredictorConfig(predictor_host=""),
        )
        self._settings = settings
        self.dataplane = DataPlane(model_registry=self.registered_models)

    def run(self, model: Any) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            CardfraudError: the model cannot be opened, or a port cannot be had.
        """
        # uvicorn raises the signal again when it is done; without these the process would end
        # there and then, with the rest still to do.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _noted)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(model))

    async def _serve(self, model: ServedModel) -> None:
        try:
            await model.open()
            _tune_the_interpreter()
            self._register_and_check_atleast_one_model_is_ready([model])
            await self._listen()
        finally:
            model.ready = False
            await model.close()
            _log.info("stopped")

    async def _listen(self) -> None:
        settings = self._settings
        rest = RestServer(
            FASTAPI_APP_IMPORT_STRING,
            self.dataplane,
            self.model_repository_extension,
            settings.http_port,
            grace_period=self.grace_period,
            timeout_keep_alive=settings.idle_timeout_s,
            host=settings.host,
            access_log=settings.access_log,
            body_timeout_s=settings.body_timeout_s,
        )
        tasks = [asyncio.create_task(rest.start(), name="REST")]
        rpc = RpcServer(
            settings.grpc_port,
            self.dataplane,
            self.model_repository_extension,
            kwargs={},
            grace_period=self.grace_period,
            host=settings.host,
        )
        if settings.enable_grpc:
            tasks.append(asyncio.create_task(rpc.start(_RPC_THREADS), name="gRPC"))
        _log.info("listening", host=settings.host, http=settings.http_port, grpc=settings.grpc_port)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        rest._server.should_exit = True  # noqa: SLF001 (KServe's RESTServer has no stop)
        await rpc.stop()
        await asyncio.gather(*tasks)


def _tune_the_interpreter() -> None:
    """Keep requests from waiting for the garbage collector and for other threads.

    A request makes hundreds of objects and leaves no cycles to speak of: what was loaded is left
    alone, what comes is looked at in small portions and seldom again.
    And a thread that works, such as the prediction log's, keeps the interpreter for 5 ms by default
    while an answer waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    sys.setswitchinterval(_SWITCH_S)


def _noted(number: int, frame: object) -> None:
    del frame
    _log.info("stopping", signal=signal.Signals(number).name)
