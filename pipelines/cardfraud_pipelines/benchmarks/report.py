"""The figures as tables in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from cardfraud_pipelines.benchmarks.result import (
    GIB_BUDGET,
    RATIO_BUDGET,
    SECONDS_BUDGET,
    STATE_BUDGET,
    BatchCost,
    BenchmarkResult,
    FeaturesResult,
    RoundingCost,
    StateCost,
)
from cardfraud_pipelines.benchmarks.serving.report import print_serving


def print_result(result: BenchmarkResult, console: Console) -> None:
    """Print every figure beside its budget, and then the budgets that were missed."""
    machine = result.machine
    console.print(
        f"{machine.processor}, {machine.cores} cores, load {machine.load_before:.1f} before; "
        f"Python {machine.python}, NumPy {machine.numpy}, polars {machine.polars}, "
        f"pandas {machine.pandas}"
    )
    if result.features is not None:
        _print_features(result.features, console)
    if result.serving is not None:
        print_serving(result.serving, console)
    for sentence in result.missed:
        console.print(f"missed: {sentence}", style="red")
    if not result.missed:
        console.print("all budgets kept", style="green")


def _print_features(result: FeaturesResult, console: Console) -> None:
    console.print(f"Features of {result.data}")
    console.print(_batch(result.batch))
    console.print(_state(result.state))
    console.print(_rounding(result.rounding))


def _batch(batch: BatchCost) -> Table:
    table = Table("method", "seconds", "CPU seconds", "peak GiB")
    table.title = f"All history features of {batch.rows:,} transactions"
    for name, cost in (("cardfraud", batch.ours), ("pandas, by group", batch.pandas)):
        table.add_row(
            name,
            " ".join(f"{s:.1f}" for s in cost.seconds),
            " ".join(f"{s:.1f}" for s in cost.cpu_seconds),
            f"{cost.gib:.2f}",
        )
    table.add_row("budget", f"{SECONDS_BUDGET}", "", f"{GIB_BUDGET}")
    equal = min((a.share_equal for a in batch.agreement), default=0.0)
    table.caption = (
        f"{batch.ratio:.0f} times pandas (at least {RATIO_BUDGET:.0f}), "
        f"{batch.cpu_ratio:.0f} times in CPU time; {len(batch.agreement)} features that pandas "
        f"can define alike: {equal:.2%} of the values equal"
    )
    return table


def _state(state: StateCost) -> Table:
    table = Table("what", "cost")
    table.title = f"Online state of {state.users:,} users, {state.events:,} events"
    rows = (
        ("one event: read, add, write", f"{state.event_us:.0f} µs"),
        ("one request: decode state", f"{state.decode_us:.0f} µs"),
        ("one request: aggregates", f"{state.aggregate_us:.0f} µs"),
        ("one request: values and vector", f"{state.vector_us:.0f} µs"),
        ("daily state of all users", f"{state.snapshot_seconds:.2f} s"),
        ("daily bytes: median, p99, largest", " ".join(map(str, state.history_bytes))),
        ("streamed bytes: median, p99, largest", " ".join(map(str, state.stream_bytes))),
        (f"both, largest (at most {STATE_BUDGET})", str(state.largest_user_bytes)),
    )
    for row in rows:
        table.add_row(*row)
    return table


def _rounding(costs: tuple[RoundingCost, ...]) -> Table:
    table = Table("feature", "rows", "changed", "mean relative", "largest relative")
    table.title = "Windows rounded to tiles, beside exact windows"
    for cost in costs:
        table.add_row(
            cost.feature,
            f"{cost.rows:,}",
            f"{cost.share_changed:.1%}",
            f"{cost.mean_relative:.4f}",
            f"{cost.largest_relative:.2f}",
        )
    return table
