"""The servers as parts of the local stack: a predictor and a transformer for one track.

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
        predictor_url: address of the predictor's REST port.
        ready_seconds: from the start of each server to its first answer, by name.
    """

    model: str
    transformer_url: str
    transformer_grpc: str
    predictor_url: str
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
) -> Deployed:
    """Start a predictor and a transformer and wait until both are ready.

    Args:
        supervisor: keeps and stops them.
        stores: variables that say where the object store and the online store are.
        model: name of the model.
        bundle: digest of the bundle.
        policy: digest of the policy.
        clock: ``live`` or ``replay``.

    Raises:
        PartFailed: one of them does not come up; the end of its log is in the error.
        NotFound: there is no serving environment.
    """
    python = serving_python()
    ports = {name: pick_port(None) for name in ("predictor", "predictor_grpc", "rest", "grpc")}
    predictor = Part(
        name="predictor",
        command=(python, "-m", "cardfraud_inference.predictor"),
        ready=_model_ready(ports["predictor"], model),
        env={
            **stores,
            "CARDFRAUD_PREDICTOR_MODEL_NAME": model,
            "CARDFRAUD_PREDICTOR_BUNDLE": bundle,
            "CARDFRAUD_PREDICTOR_HTTP_PORT": str(ports["predictor"]),
            "CARDFRAUD_PREDICTOR_GRPC_PORT": str(ports["predictor_grpc"]),
        },
        ready_within=60.0,
    )
    transformer = Part(
        name="transformer",
        command=(python, "-m", "cardfraud_inference.transformer"),
        ready=_model_ready(ports["rest"], model),
        env={
            **stores,
            "CARDFRAUD_TRANSFORMER_MODEL_NAME": model,
            "CARDFRAUD_TRANSFORMER_BUNDLE": bundle,
            "CARDFRAUD_TRANSFORMER_POLICY": policy,
            "CARDFRAUD_TRANSFORMER_CLOCK": clock,
            "CARDFRAUD_TRANSFORMER_HTTP_PORT": str(ports["rest"]),
            "CARDFRAUD_TRANSFORMER_GRPC_PORT": str(ports["grpc"]),
            "CARDFRAUD_TRANSFORMER_PREDICTOR_HOST": f"{LOOPBACK}:{ports['predictor']}",
            "CARDFRAUD_TRANSFORMER_PREDICTION_LOG_KEY": secrets.token_hex(16),
            # One laptop does everything at once; a cluster keeps the defaults.
            "CARDFRAUD_TRANSFORMER_PREDICTOR_TIMEOUT_S": "5",
            "CARDFRAUD_TRANSFORMER_FEATURES_TIMEOUT_S": "5",
        },
        ready_within=60.0,
    )
    supervisor.start(predictor)
    supervisor.start(transformer)
    return Deployed(
        model=model,
        transformer_url=f"http://{LOOPBACK}:{ports['rest']}",
        transformer_grpc=f"{LOOPBACK}:{ports['grpc']}",
        predictor_url=f"http://{LOOPBACK}:{ports['predictor']}",
        ready_seconds={part.name: supervisor.wait(part.name) for part in (predictor, transformer)},
    )


def _model_ready(port: int, model: str) -> Callable[[], bool]:
    def ready() -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
        try:
            connection.request("GET", f"/v2/models/{model}/ready")
            return connection.getresponse().status == http.client.OK
        finally:
            connection.close()

    return ready
