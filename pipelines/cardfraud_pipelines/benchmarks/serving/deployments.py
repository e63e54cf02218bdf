"""The servers under load: how each is started, and which processes are counted as its own."""

from __future__ import annotations

import http.client
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cardfraud_pipelines.benchmarks.serving.faces import MODEL, FaceName
from cardfraud_pipelines.local.part import Part
from cardfraud_pipelines.local.ports import LOOPBACK, pick_port
from cardfraud_pipelines.local.serving import serving_python
from cardfraud_pipelines.local.supervisor import Supervisor

DEADLINES_S: Final[Mapping[str, float]] = {
    "FEATURES_TIMEOUT_S": 5.0,
    "PREDICTOR_TIMEOUT_S": 5.0,
    "REASONS_TIMEOUT_S": 5.0,
}
"""Two cores run servers, stores and load tool: a deadline missed by chance is not the question."""
LOG_SECONDS: Final = 1.0
"""Between writes of the prediction log: so often that writing falls into a turn and is counted.
Ten times as often as by default, so that the files' fixed cost is overstated."""


@dataclass(frozen=True, slots=True)
class Target:
    """One server, asked through one of its faces.

    Attributes:
        name: in the tables.
        face: how it is asked.
        port: where.
        processes: whose processor time and memory count.
    """

    name: str
    face: FaceName
    port: int
    processes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """What the deployments of this library serve.

    Attributes:
        stores: variables that lead to the object store and the online store.
        bundle: digest of the bundle.
        policy: digest of the policy.
    """

    stores: Mapping[str, str]
    bundle: str
    policy: str


def start_baseline(supervisor: Supervisor, name: str, forest: Path) -> int:
    """Start the baseline around a forest in a file, without waiting; return its port."""
    port = pick_port()
    module = "cardfraud_pipelines.benchmarks.serving.baseline"
    part = Part(
        name=name,
        command=(sys.executable, "-m", module, str(forest), str(port)),
        ready=_answers(port, "/openapi.json"),
        ready_within=90.0,
    )
    supervisor.start(part)
    return port


def start_predictor(supervisor: Supervisor, name: str, published: Published) -> int:
    """Start a predictor without waiting; return its port."""
    return _start(supervisor, name, "predictor", published, {"BUNDLE": published.bundle})


def start_transformer(
    supervisor: Supervisor,
    name: str,
    published: Published,
    further: Mapping[str, str],
) -> int:
    """Start a transformer without waiting; return its port.

    Args:
        supervisor: keeps it.
        name: of the part.
        published: what it serves.
        further: settings of this deployment, by name without prefix.
    """
    return _start(
        supervisor, name, "transformer", published, {**transformer_settings(published), **further}
    )


def transformer_settings(published: Published) -> dict[str, str]:
    """Return what all transformers of the benchmark are started with, by name without prefix."""
    return {
        "BUNDLE": published.bundle,
        "POLICY": published.policy,
        "CLOCK": "replay",
        "PREDICTION_LOG_KEY": secrets.token_hex(16),
        "PREDICTION_LOG_SECONDS": str(LOG_SECONDS),
        **{name: str(seconds) for name, seconds in DEADLINES_S.items()},
    }


def _start(
    supervisor: Supervisor,
    name: str,
    kind: str,
    published: Published,
    settings: Mapping[str, str],
) -> int:
    port = pick_port()
    ports = {"MODEL_NAME": MODEL, "HTTP_PORT": str(port), "GRPC_PORT": str(pick_port())}
    prefix = f"CARDFRAUD_{kind.upper()}_"
    part = Part(
        name=name,
        command=(serving_python(), "-m", f"cardfraud_inference.{kind}"),
        ready=_answers(port, f"/v2/models/{MODEL}/ready"),
        env={**published.stores, **{f"{prefix}{k}": v for k, v in {**ports, **settings}.items()}},
        ready_within=90.0,
    )
    supervisor.start(part)
    return port


def _answers(port: int, path: str) -> Callable[[], bool]:
    def ready() -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        finally:
            connection.close()

    return ready
