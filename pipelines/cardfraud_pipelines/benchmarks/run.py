"""Run the measurements of the features, one after the other."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import polars as pl

from cardfraud_pipelines.benchmarks.inputs import handbook_transactions, made_transactions
from cardfraud_pipelines.benchmarks.pandas_method import EXACT_WINDOWS
from cardfraud_pipelines.benchmarks.result import (
    Agreement,
    BatchCost,
    FeaturesResult,
    Machine,
    missed_budgets,
)
from cardfraud_pipelines.benchmarks.rounding import rounding_cost
from cardfraud_pipelines.benchmarks.state_cost import state_cost
from cardfraud_pipelines.benchmarks.worker import measure

RUNS: Final = 3
"""Runs of our method; pandas, which takes minutes, runs once."""
_TOLERANCE: Final = 1e-6
"""Running sums of floats, which pandas keeps, are off by more than the last bit."""


def measure_features(
    transactions: pl.DataFrame, data: str, *, report: Callable[[str], None]
) -> FeaturesResult:
    """Measure a table; see ``result`` for the figures.

    Args:
        transactions: as from ``inputs``, sorted by time.
        data: what the table is, in words.
        report: told what is being measured.
    """
    batch = _batch(transactions, report)
    report("online state: events, requests, snapshot, bytes")
    state = state_cost(transactions)
    report("rounded windows beside exact ones")
    return FeaturesResult(
        data=data,
        batch=batch,
        state=state,
        rounding=rounding_cost(transactions),
        missed=missed_budgets(batch, state),
    )


def table(folder: Path | None) -> tuple[pl.DataFrame, str]:
    """Return the transactions of a folder, or made ones, and what they are in words."""
    if folder is None:
        return made_transactions(), "made transactions"
    return handbook_transactions(folder), f"transactions of {folder.name}"


def _batch(transactions: pl.DataFrame, report: Callable[[str], None]) -> BatchCost:
    with tempfile.TemporaryDirectory() as folder:
        parquet = Path(folder, "transactions.parquet")
        ours_file, pandas_file = Path(folder, "ours.npz"), Path(folder, "pandas.npz")
        transactions.write_parquet(parquet)
        report(f"all features of {len(transactions):,} transactions")
        ours = measure("cardfraud", parquet, ours_file, runs=RUNS)
        report("the same with pandas, one group at a time (minutes)")
        pandas = measure("pandas", parquet, pandas_file, runs=1)
        with np.load(ours_file) as mine, np.load(pandas_file) as theirs:
            agreement = tuple(
                _agreement(name, mine[name], theirs[name])
                for name in theirs.files
                if name not in EXACT_WINDOWS
            )
    return BatchCost(
        rows=len(transactions),
        ours=ours,
        pandas=pandas,
        ratio=pandas.seconds[0] / median(ours.seconds),
        cpu_ratio=pandas.cpu_seconds[0] / median(ours.cpu_seconds),
        agreement=agreement,
    )


def _agreement(name: str, mine: np.ndarray, theirs: np.ndarray) -> Agreement:
    equal = np.isclose(mine, theirs, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
    difference = np.abs(mine - theirs)
    known = difference[np.isfinite(difference)]
    return Agreement(
        feature=name,
        share_equal=float(equal.mean()),
        largest_difference=float(known.max()) if len(known) else 0.0,
    )


def machine() -> Machine:
    """Say what the figures are taken with, and how busy it is now."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        numpy=version("numpy"),
        polars=version("polars"),
        pandas=version("pandas"),
        load_before=os.getloadavg()[0],
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
