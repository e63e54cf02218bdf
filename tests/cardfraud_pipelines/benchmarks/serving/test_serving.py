"""A whole run measures real servers, and a budget that is missed is told."""

import json
from pathlib import Path

import pytest

from cardfraud_pipelines.benchmarks.result import BenchmarkResult
from cardfraud_pipelines.benchmarks.run import machine
from cardfraud_pipelines.benchmarks.serving.result import (
    BASELINE,
    FUSED,
    SPLIT,
    LoadCost,
    PacedCost,
    missed_budgets,
)
from cardfraud_pipelines.benchmarks.serving.run import Extent, measure_serving
from cardfraud_pipelines.benchmarks.serving.servers import ALL, UNBATCHED
from cardfraud_pipelines.benchmarks.serving.world import World

COST = LoadCost(
    server=SPLIT,
    connections=4,
    requests=100,
    rate=100.0,
    p50_ms=1.0,
    p99_ms=2.0,
    cpu_ms=2.0,
    ratio=5.0,
    redis_cpu_ms=0.1,
    load_cpu_ms=0.1,
    mib=300.0,
)
PACED = PacedCost(
    server=FUSED,
    connections=4,
    rate=50.0,
    requests=100,
    p50_ms=1.0,
    p99_ms=10.0,
    p999_ms=20.0,
    cpu_ms=1.0,
)


def test_a_whole_run(tmp_path: Path, world: World) -> None:
    """Every server answers rightly, its cost is its own, and the log writes every decision."""
    names = [name for name in ALL if name != UNBATCHED]
    extent = Extent(
        connections=(2,),
        rounds=1,
        seconds=0.4,
        paced_seconds=0.4,
        users=(world.users + 5,),
        names=tuple(names),
    )
    said: list[str] = []
    result = measure_serving(tmp_path / "stack", extent, said.append, world=world)
    assert [cost.server for cost in result.costs] == names
    costs = {cost.server: cost for cost in result.costs}
    assert costs[BASELINE].ratio == 1
    for cost in result.costs:
        assert cost.requests > 0
        assert cost.cpu_ms > 0
        assert cost.ratio == pytest.approx(costs[BASELINE].cpu_ms / cost.cpu_ms)
    assert costs[SPLIT].mib > costs[FUSED].mib  # two processes
    assert [one.server for one in result.paced] == [SPLIT, FUSED]
    assert {one.server for one in result.stages} >= {SPLIT, FUSED}
    assert [one.users for one in result.stores] == [world.users, world.users + 5]
    for one in result.stores:
        assert one.asked == min(one.cost.requests, len(world.samples(users=one.users).samples))
        assert one.cost.server == FUSED
    assert result.log_share == 1
    whole = BenchmarkResult(machine=machine(), serving=result)
    assert BenchmarkResult.model_validate_json(whole.model_dump_json()) == whole
    assert json.loads(whole.model_dump_json())["features"] is None


def test_without_the_fused_server(tmp_path: Path, world: World) -> None:
    """Sizes of the store are asked of no other server in its place."""
    extent = Extent(
        connections=(1,), rounds=1, seconds=0.2, paced_seconds=0.2, users=(50,), names=(SPLIT,)
    )
    result = measure_serving(tmp_path / "stack", extent, lambda _: None, world=world)
    assert {cost.server for cost in result.costs} == {BASELINE, SPLIT}
    assert result.stores == ()
    assert result.log_share == 1


def test_each_budget_can_be_missed() -> None:
    """Ratios, latency and the log are told one by one, at the numbers of connections that count."""
    assert missed_budgets([COST], [PACED], 1.0) == ()
    low = COST.model_copy(update={"ratio": 4.99})
    assert missed_budgets([low], [], 1.0) == (
        (
            "split at 4 connections: 4.99 times the baseline's requests per processor second, "
            "at least 5"
        ),
    )
    assert missed_budgets([low.model_copy(update={"connections": 64})], [], 1.0) == ()
    fused = COST.model_copy(update={"server": FUSED, "ratio": 7.9})
    raw = COST.model_copy(update={"server": "predictor raw", "ratio": 14.9})
    baseline = COST.model_copy(update={"server": BASELINE, "ratio": 1.0})
    assert len(missed_budgets([fused, raw, baseline], [], 1.0)) == 2
    slow = PACED.model_copy(update={"p99_ms": 10.1})
    assert len(missed_budgets([], [slow], 1.0)) == 1
    assert missed_budgets([], [], 0.5) == ("the prediction log wrote 50.0000% of its rows",)
