"""One run: everything is started, then asked in turns, so that all see the same machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from cardfraud_pipelines.benchmarks.serving.accounts import require_fresh, written_share
from cardfraud_pipelines.benchmarks.serving.deployments import DEADLINES_S, Target
from cardfraud_pipelines.benchmarks.serving.forest import COLUMNS, DEPTH, TREES
from cardfraud_pipelines.benchmarks.serving.ground import Ground, prepared
from cardfraud_pipelines.benchmarks.serving.processes import resident_mib
from cardfraud_pipelines.benchmarks.serving.result import (
    BASELINE,
    BUDGETED_CONNECTIONS,
    FUSED,
    LoadCost,
    PacedCost,
    ServingResult,
    StageCost,
    StoreCost,
    missed_budgets,
)
from cardfraud_pipelines.benchmarks.serving.servers import ALL, Servers, start_servers
from cardfraud_pipelines.benchmarks.serving.stages import Told, ask
from cardfraud_pipelines.benchmarks.serving.window import Window, together
from cardfraud_pipelines.benchmarks.serving.world import World, make_world

Report = Callable[[str], None]
_LIBRARIES: Final = ("fastapi", "uvicorn", "pandas", "scikit-learn")


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured.

    Attributes:
        connections: how many, each number in rounds of its own.
        rounds: times that every server is asked at each number of connections.
        seconds: of one server's turn.
        paced_seconds: of load at half of the largest rate.
        users: further sizes of the online store, rising; none leaves this part out, and so do
            names without the fused server, which is what is asked.
        names: of what is measured beside the baseline.
    """

    connections: tuple[int, ...] = (1, 4, 16, 64)
    rounds: int = 2
    seconds: float = 2.5
    paced_seconds: float = 12.0
    users: tuple[int, ...] = (100_000,)
    names: tuple[str, ...] = ALL


def measure_serving(
    folder: Path, extent: Extent, report: Report, *, world: World | None = None
) -> ServingResult:
    """Start everything, measure it, and stop it.

    Args:
        folder: for logs and data; emptied first.
        extent: how much is measured.
        report: told what goes on.
        world: users, merchants and forest; made if absent.

    Raises:
        WrongAnswer: a server answered wrongly.
        PartFailed: a server does not come up.
        NotFound: there is no serving environment.
    """
    if world is None:
        report("transactions, state and a forest for the servers")
        world = make_world()
    with prepared(folder, world, report) as ground:
        servers = start_servers(ground, {BASELINE, *extent.names})
        targets = list(servers.targets.values())
        for target in targets:
            ground.meter.measure(target, connections=4, seconds=0.5)
        windows: dict[tuple[str, int], Window] = {}
        stages: tuple[StageCost, ...] = ()
        for connections in extent.connections:
            report(f"every server at {connections} connections")
            before = _told(servers)
            windows |= _rounds(ground, targets, connections, extent)
            if connections == extent.connections[0]:
                stages = _stages(before, _told(servers))
        costs = _costs(windows)
        report("the whole path at half of its largest rate")
        paced = tuple(_paced(ground, target, costs, extent) for target in servers.whole_path)
        stores = _stores(ground, servers, extent, report)
        require_fresh(servers.transformers)
        log_share = written_share(servers.transformers, ground.meter.answered)
    return ServingResult(
        model=f"random forest, {TREES} trees, depth {DEPTH}, {len(COLUMNS)} features",
        share_with_reasons=ground.samples.share_with_reasons,
        deadlines_s=DEADLINES_S,
        versions={library: version(library) for library in _LIBRARIES},
        costs=costs,
        paced=paced,
        stages=stages,
        stores=stores,
        log_share=log_share,
        missed=missed_budgets(costs, paced, log_share),
    )


def _rounds(
    ground: Ground, targets: list[Target], connections: int, extent: Extent
) -> dict[tuple[str, int], Window]:
    """Ask every server in turn, several times over."""
    found: dict[str, list[Window]] = {target.name: [] for target in targets}
    for _ in range(extent.rounds):
        for target in targets:
            found[target.name].append(
                ground.meter.measure(target, connections=connections, seconds=extent.seconds)
            )
    return {(name, connections): together(windows) for name, windows in found.items()}


def _costs(windows: Mapping[tuple[str, int], Window]) -> tuple[LoadCost, ...]:
    return tuple(
        _cost(name, connections, window, windows[BASELINE, connections].cpu_ms)
        for (name, connections), window in windows.items()
    )


def _cost(name: str, connections: int, window: Window, baseline_cpu_ms: float) -> LoadCost:
    return LoadCost(
        server=name,
        connections=connections,
        requests=window.requests,
        rate=window.rate,
        p50_ms=window.latency_ms(0.5),
        p99_ms=window.latency_ms(0.99),
        cpu_ms=window.cpu_ms,
        ratio=baseline_cpu_ms / window.cpu_ms,
        redis_cpu_ms=window.redis_cpu / window.requests * 1e3,
        load_cpu_ms=window.load_cpu / window.requests * 1e3,
        mib=window.mib,
    )


def _paced(
    ground: Ground, target: Target, costs: tuple[LoadCost, ...], extent: Extent
) -> PacedCost:
    """Load a server at half of the largest rate that it reached within the budgeted connections."""
    own = [one for one in costs if one.server == target.name]
    budgeted = [one for one in own if one.connections in BUDGETED_CONNECTIONS] or own
    best = max(budgeted, key=lambda one: one.rate)
    window = ground.meter.measure(
        target,
        connections=best.connections,
        seconds=extent.paced_seconds,
        rate=best.rate / 2,
    )
    return PacedCost(
        server=target.name,
        connections=best.connections,
        rate=best.rate / 2,
        requests=window.requests,
        p50_ms=window.latency_ms(0.5),
        p99_ms=window.latency_ms(0.99),
        p999_ms=window.latency_ms(0.999),
        cpu_ms=window.cpu_ms,
    )


def _stores(
    ground: Ground, servers: Servers, extent: Extent, report: Report
) -> tuple[StoreCost, ...]:
    """Ask the fused server about ever more users."""
    found: list[StoreCost] = []
    target = servers.targets.get(FUSED)
    if target is None or not extent.users:
        return ()
    for users in (ground.world.users, *extent.users):
        report(f"{users:,} users in the online store")
        held = ground.hold_users(users)
        window = together(
            [
                held.meter.measure(target, connections=4, seconds=extent.seconds)
                for _ in range(extent.rounds)
            ]
        )
        found.append(
            StoreCost(
                users=users,
                asked=min(held.samples, window.requests),
                fill_seconds=held.fill_seconds,
                store_mib=resident_mib([held.meter.redis]),
                cost=_cost(target.name, 4, window, window.cpu_ms),
            )
        )
    return tuple(found)


def _told(servers: Servers) -> dict[str, Told]:
    return {name: ask(port) for name, port in servers.metrics.items()}


def _stages(before: Mapping[str, Told], after: Mapping[str, Told]) -> tuple[StageCost, ...]:
    return tuple(
        StageCost(server=server, stage=stage, mean_ms=mean)
        for server, told in after.items()
        for stage, mean in told.means_since(before[server]).items()
    )
