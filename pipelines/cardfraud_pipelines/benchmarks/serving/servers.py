"""Everything that is measured side by side in one run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from cardfraud_pipelines.benchmarks.serving.deployments import (
    Target,
    start_baseline,
    start_predictor,
    start_transformer,
)
from cardfraud_pipelines.benchmarks.serving.faces import FaceName
from cardfraud_pipelines.benchmarks.serving.ground import Ground
from cardfraud_pipelines.benchmarks.serving.processes import listener
from cardfraud_pipelines.benchmarks.serving.result import BASELINE, FUSED, PREDICTOR, SPLIT
from cardfraud_pipelines.local.ports import LOOPBACK

UNBATCHED: Final = f"{FUSED} unbatched"
"""The fused server with micro-batching off."""
PREDICTOR_FACES: Final[Mapping[str, FaceName]] = {
    f"{PREDICTOR} plain": "plain",
    f"{PREDICTOR} v1": "v1",
    f"{PREDICTOR} v2": "v2",
    f"{PREDICTOR} raw": "raw",
}
ALL: Final = (BASELINE, SPLIT, FUSED, UNBATCHED, *PREDICTOR_FACES)
"""Names of everything that can be measured, in the order in which it is asked."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The running servers.

    Attributes:
        targets: by name, in the order in which they are asked.
        metrics: port of ``/metrics`` of each process of this library, by name.
    """

    targets: Mapping[str, Target]
    metrics: Mapping[str, int]

    @property
    def transformers(self) -> Mapping[str, int]:
        """Port of ``/metrics`` of each server that decides, by the name of its target."""
        return {name: port for name, port in self.metrics.items() if name != PREDICTOR}

    @property
    def whole_path(self) -> tuple[Target, ...]:
        """Those that take a transaction and answer with a decision, as they are deployed."""
        return tuple(one for name, one in self.targets.items() if name in {SPLIT, FUSED})


def start_servers(ground: Ground, names: Collection[str] = ALL) -> Servers:
    """Start the servers that the named measurements need, and wait for all of them."""
    supervisor, published = ground.supervisor, ground.published
    ports: dict[str, int] = {}
    if BASELINE in names:
        ports[BASELINE] = start_baseline(supervisor, BASELINE, ground.forest)
    if {SPLIT, *PREDICTOR_FACES} & set(names):
        ports[PREDICTOR] = start_predictor(supervisor, PREDICTOR, published)
    deployments = {
        SPLIT: {"PREDICTOR_HOST": f"{LOOPBACK}:{ports.get(PREDICTOR)}"},
        FUSED: {"FUSED": "true"},
        UNBATCHED: {"FUSED": "true", "MICRO_BATCH": "false"},
    }
    for name, settings in deployments.items():
        if name in names:
            ports[name] = start_transformer(supervisor, name, published, settings)
    for name in ports:
        supervisor.wait(name)
    targets = [_target(name, ports) for name in ALL if name in names]
    return Servers(
        targets={target.name: target for target in targets},
        metrics={name: port for name, port in ports.items() if name != BASELINE},
    )


def _target(name: str, ports: Mapping[str, int]) -> Target:
    if name == BASELINE:
        return Target(name, "baseline", ports[name], (listener(ports[name]),))
    if name in PREDICTOR_FACES:
        return Target(name, PREDICTOR_FACES[name], ports[PREDICTOR], (listener(ports[PREDICTOR]),))
    own = [ports[name], ports[PREDICTOR]] if name == SPLIT else [ports[name]]
    return Target(name, "decision", ports[name], tuple(listener(port) for port in own))
