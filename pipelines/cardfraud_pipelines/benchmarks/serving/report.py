"""The figures of the serving benchmark as tables in the terminal."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from cardfraud_pipelines.benchmarks.serving.result import (
    P99_BUDGET_MS,
    RATIO_BUDGETS,
    LoadCost,
    ServingResult,
)


def print_serving(result: ServingResult, console: Console) -> None:
    """Print every figure; the budgets that were missed are the caller's to print."""
    console.print(_costs(result))
    console.print(_paced(result))
    console.print(_stages(result))
    if result.stores:
        console.print(_stores(result))


def _costs(result: ServingResult) -> Table:
    table = _table("server", "conn.", "req/s", "p50", "p99", "CPU", "ratio", "Redis", "load", "MiB")
    table.title = f"Serving side by side: {result.model}"
    libraries = ", ".join(f"{name} {number}" for name, number in result.versions.items())
    deadlines = ", ".join(f"{name} {seconds:g} s" for name, seconds in result.deadlines_s.items())
    log = "no row" if result.log_share is None else f"{result.log_share:.2%} of its rows"
    budgets = {f"{name.split()[0]} {ratio:.0f}": None for name, ratio in RATIO_BUDGETS.items()}
    table.caption = (
        f"Times in ms, processor time for one request: CPU of the server's own processes, beside "
        f"it Redis and the load tool. Ratio: requests per processor second over the baseline's "
        f"({libraries}), at least {', '.join(budgets)}. "
        f"Of the transactions {result.share_with_reasons:.1%} are not approved and get reasons. "
        f"Deadlines, longer than the shipped ones: {deadlines}. The prediction log wrote {log}."
    )
    for cost in result.costs:
        table.add_row(*_row(cost))
    return table


def _row(cost: LoadCost) -> tuple[str, ...]:
    return (
        cost.server,
        str(cost.connections),
        f"{cost.rate:.0f}",
        f"{cost.p50_ms:.2f}",
        f"{cost.p99_ms:.2f}",
        f"{cost.cpu_ms:.3f}",
        f"{cost.ratio:.1f}",
        f"{cost.redis_cpu_ms:.3f}",
        f"{cost.load_cpu_ms:.3f}",
        f"{cost.mib:.0f}",
    )


def _paced(result: ServingResult) -> Table:
    table = _table("server", "conn.", "req/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU ms")
    table.title = f"At half of the largest rate (p99 at most {P99_BUDGET_MS:.0f} ms)"
    for one in result.paced:
        table.add_row(
            one.server,
            str(one.connections),
            f"{one.rate:.0f}",
            f"{one.p50_ms:.2f}",
            f"{one.p99_ms:.2f}",
            f"{one.p999_ms:.2f}",
            f"{one.cpu_ms:.3f}",
        )
    return table


def _stages(result: ServingResult) -> Table:
    servers = list(dict.fromkeys(one.server for one in result.stages))
    means = {(one.stage, one.server): f"{one.mean_ms:.3f}" for one in result.stages}
    table = _table("stage", *servers)
    table.title = "Where the time goes, mean ms of each stage at the fewest connections"
    for stage in dict.fromkeys(one.stage for one in result.stages):
        table.add_row(stage, *(means.get((stage, server), "") for server in servers))
    return table


def _stores(result: ServingResult) -> Table:
    table = _table(
        "users", "asked", "filled in s", "store MiB", "req/s", "p50 ms", "p99 ms", "CPU ms"
    )
    asked = ", ".join(f"{one.asked:,}" for one in result.stores)
    table.title = (
        f"The whole path in one process, 4 connections, by users in the online store; "
        f"different requests asked: {asked}"
    )
    for one in result.stores:
        table.add_row(
            f"{one.users:,}",
            f"{one.asked:,}",
            f"{one.fill_seconds:.1f}",
            f"{one.store_mib:.0f}",
            f"{one.cost.rate:.0f}",
            f"{one.cost.p50_ms:.2f}",
            f"{one.cost.p99_ms:.2f}",
            f"{one.cost.cpu_ms:.3f}",
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        name = column in {"server", "stage"}
        table.add_column(column, justify="left" if name else "right", no_wrap=name)
    return table
