"""One method over one table, in a process of its own: ``python -m ... METHOD TABLE VALUES``.

Writes the values as a NumPy archive and prints one line of JSON with its costs.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl

from cardfraud_pipelines.benchmarks.inputs import labels_of
from cardfraud_pipelines.benchmarks.result import MethodCost

Method = Literal["cardfraud", "pandas"]
Values = dict[str, np.ndarray]

_KIB_PER_GIB: Final = 2**20


def measure(method: Method, table: Path, values: Path, *, runs: int) -> MethodCost:
    """Run a method in a fresh process and wait for it.

    Args:
        method: whose values.
        table: Parquet file with the transactions.
        values: where the process puts its values.
        runs: how many times it computes them.

    Raises:
        subprocess.CalledProcessError: the process failed; its messages are on standard error.
    """
    command = [sys.executable, "-m", __spec__.name, method, str(table), str(values), str(runs)]
    result = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return MethodCost.model_validate_json(result.stdout)


def _ours(transactions: pl.DataFrame) -> Values:
    from cardfraud.features.batch import stored_values

    return dict(stored_values(transactions, labels_of(transactions)))


def _pandas(transactions: pl.DataFrame) -> Values:
    from cardfraud_pipelines.benchmarks.pandas_method import pandas_values

    return pandas_values(transactions)


_METHODS: Final[dict[str, Callable[[pl.DataFrame], Values]]] = {
    "cardfraud": _ours,
    "pandas": _pandas,
}


def main(method: str, table: Path, values_file: Path, runs: int) -> MethodCost:
    """Compute the values ``runs`` times, keep those of the last run, and return the costs."""
    transactions = pl.read_parquet(table)
    seconds, cpu_seconds = [], []
    values: Values = {}
    for _ in range(runs):
        values.clear()
        wall, cpu = time.perf_counter(), time.process_time()
        values = _METHODS[method](transactions)
        seconds.append(time.perf_counter() - wall)
        cpu_seconds.append(time.process_time() - cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_PER_GIB
    np.savez(values_file, allow_pickle=False, **values)
    return MethodCost(seconds=tuple(seconds), cpu_seconds=tuple(cpu_seconds), gib=peak)


if __name__ == "__main__":
    name, table_path, values_path, count = sys.argv[1:]
    cost = main(name, Path(table_path), Path(values_path), int(count))
    sys.stdout.write(cost.model_dump_json())
