"""The servers as parts of the local stack: predictor and transformer of one track, or both in one.

They run in the serving environment, which holds no training code; this module only knows how to
start them and how to ask whether they are ready.
"""

from __future__ import annotations

import http.client
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cardfraud.errors import NotFound
from cardfraud_pipelines.local.part import Part
from cardfraud_pipelines.local.ports import LOOPBACK, pick_port
from cardfraud_pipelines.local.supervisor import Supervisor

PYTHON_VARIABLE: Final = "CARDFRAUD_SERVING_PYTHON"
LOG_KEY_VARIABLE: Final = "CARDFRAUD_TRANSFORMER_PREDICTION_LOG_KEY"
"""Key of the hashes in the prediction log; a random one where it is not set."""
_REPOSITORY: Final = Path(__file__).resolve().parents[3]


def serving_python() -> str:
    """Return the interpreter of the serving environment.

    It is ``.venv-serving`` of the repository unless ``CARDFRAUD_SERVING_PYTHON`` names another.

    Raises:
        NotFound: there is none.
    """
    named = os.environ.get(PYTHON_VARIABLE)
    python = Path(named) if named else _REPOSITORY / ".venv-serving" / "bin" / "python"
    if not python.exists():
        raise NotFound("serving environment", str(python), hint="make environments sets it up")
    return str(python)


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """One running track.

    Attributes:
        model: name of the model in the URL.
        transformer_url: address of the transformer's REST port.
        transformer_grpc: host and port of its gRPC port.
        predictor_url: address of the predictor's REST port; None when the model is fused.
        ready_seconds: from the start of each server to its first answer, by name.
    """

    model: str
    transformer_url: str
    transformer_grpc: str
    predictor_url: str | None
    ready_seconds: Mapping[str, float]

    @property
    def predict_url(self) -> str:
        """Where a transaction is sent."""
        return f"{self.transformer_url}/v1/models/{self.model}:predict"


def start_track(
    supervisor: Supervisor,
    stores: Mapping[str, str],
    *,
    model: str,
    bundle: str,
    policy: str,
    clock: str,
    fused: bool = False,
) -> Deployed:
    """Start a predictor and a transformer, or both in one process, and wait until all are ready.

    Args:
        supervisor: keeps and stops them.
        stores: variables that say where the object store and the online store are.
        model: name of the model.
        bundle: digest of the bundle.
        policy: digest of the policy.
        clock: ``live`` or ``replay``.
        fused: whether the model runs inside the transformer.

    Raises:
        PartFailed: one of them does not come up; the end of its log is in the error.
        NotFound: there is no serving environment.
    """
    python = serving_python()
    served = {"MODEL_NAME": model, "BUNDLE": bundle}
    predictor = None if fused else _server("predictor", python, stores, served)
    settings = {
        **served,
        "POLICY": policy,
        "CLOCK": clock,
        "PREDICTION_LOG_KEY": os.environ.get(LOG_KEY_VARIABLE) or secrets.token_hex(16),
        "PREDICTION_LOG_JOURNAL": str(supervisor.folder / "prediction-log.journal"),
        # One laptop does everything at once; a cluster keeps the defaults.
        "PREDICTOR_TIMEOUT_S": "5",
        "FEATURES_TIMEOUT_S": "5",
        "REASONS_TIMEOUT_S": "1",
        **({"FUSED": "true"} if predictor is None else {"PREDICTOR_HOST": predictor.rest}),
    }
    transformer = _server("transformer", python, stores, settings)
    parts = [server.part for server in (predictor, transformer) if server is not None]
    for part in parts:
        supervisor.start(part)
    return Deployed(
        model=model,
        transformer_url=f"http://{transformer.rest}",
        transformer_grpc=transformer.grpc,
        predictor_url=None if predictor is None else f"http://{predictor.rest}",
        ready_seconds={part.name: supervisor.wait(part.name) for part in parts},
    )


@dataclass(frozen=True, slots=True)
class _Server:
    """A server that can be started, and host and port of its two protocols."""

    part: Part
    rest: str
    grpc: str


def _server(
    kind: str, python: str, stores: Mapping[str, str], settings: Mapping[str, str]
) -> _Server:
    """Give a server two free ports; its settings come without their prefix."""
    rest, grpc = pick_port(None), pick_port(None)
    given = {**settings, "HTTP_PORT": str(rest), "GRPC_PORT": str(grpc)}
    part = Part(
        name=kind,
        command=(python, "-m", f"cardfraud_inference.{kind}"),
        ready=_model_ready(rest, settings["MODEL_NAME"]),
        env={**stores, **{f"CARDFRAUD_{kind.upper()}_{k}": v for k, v in given.items()}},
        ready_within=60.0,
    )
    return _Server(part, f"{LOOPBACK}:{rest}", f"{LOOPBACK}:{grpc}")


def _model_ready(port: int, model: str) -> Callable[[], bool]:
    def ready() -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
        try:
            connection.request("GET", f"/v2/models/{model}/ready")
            return connection.getresponse().status == http.client.OK
        finally:
            connection.close()

    return ready
