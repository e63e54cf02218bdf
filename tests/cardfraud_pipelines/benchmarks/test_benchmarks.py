"""The measurements measure what they say; how long anything took is not looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cardfraud.errors import InvalidFrame
from cardfraud.features.batch import stored_values
from cardfraud_pipelines.benchmarks.inputs import (
    handbook_transactions,
    labels_of,
    made_transactions,
)
from cardfraud_pipelines.benchmarks.pandas_method import EXACT_WINDOWS, pandas_values
from cardfraud_pipelines.benchmarks.result import (
    Agreement,
    BatchCost,
    BenchmarkResult,
    MethodCost,
    missed_budgets,
)
from cardfraud_pipelines.benchmarks.rounding import rounding_cost
from cardfraud_pipelines.benchmarks.run import machine, measure_features
from cardfraud_pipelines.benchmarks.state_cost import state_cost


@pytest.fixture(scope="module")
def transactions() -> pl.DataFrame:
    """A few thousand made transactions of a few users and merchants."""
    return made_transactions(4_000, users=15, merchants=20)


def test_pandas_and_this_library_agree(transactions: pl.DataFrame) -> None:
    """Two independent ways to the same definitions give the same numbers."""
    ours = stored_values(transactions, labels_of(transactions))
    theirs = pandas_values(transactions)
    assert set(theirs) == set(ours)
    for name in set(theirs) - set(EXACT_WINDOWS):
        np.testing.assert_allclose(
            theirs[name], ours[name], rtol=1e-6, atol=1e-6, equal_nan=True, err_msg=name
        )


def test_made_times_are_strictly_rising(transactions: pl.DataFrame) -> None:
    """No two transactions happen at once, so that every method sees the same past."""
    times = transactions["event_time"].to_physical().to_numpy()
    assert np.diff(times).min() > 0


def test_a_whole_run_in_processes(transactions: pl.DataFrame) -> None:
    """Every measurement runs, agrees, and goes through JSON unchanged."""
    said: list[str] = []
    features = measure_features(transactions, "a small table", report=said.append)
    result = BenchmarkResult(machine=machine(), features=features)
    assert len(said) == 4
    assert features.batch.rows == len(transactions)
    assert {a.share_equal for a in features.batch.agreement} == {1.0}
    assert len(features.batch.agreement) == 27
    assert not [sentence for sentence in result.missed if "differ" in sentence]
    assert result.missed == features.missed
    assert BenchmarkResult.model_validate_json(result.model_dump_json()) == result


def test_state_is_counted(transactions: pl.DataFrame) -> None:
    """All users have state, all rows of the last three days are events, and sizes are ordered."""
    cost = state_cost(transactions)
    day = transactions["event_time"].to_physical().to_numpy() // 86_400_000_000
    assert cost.users == transactions["user_id"].n_unique()
    assert cost.events == int((day > day.max() - 3).sum())
    for low, middle, high in (cost.history_bytes, cost.stream_bytes):
        assert 0 < low <= middle <= high
    assert cost.history_bytes[2] <= cost.largest_user_bytes <= 4096


def test_rounding_widens_a_window() -> None:
    """A payment of 7 days and 1 hour ago is in the rounded week, not in the exact one."""
    now = datetime(2018, 5, 10, 12, tzinfo=UTC)
    times = [datetime(2018, 5, 3, 11, tzinfo=UTC), datetime(2018, 5, 9, 12, tzinfo=UTC), now]
    frame = pl.DataFrame(
        {
            "transaction_id": ["a", "b", "c"],
            "event_time": times,
            "user_id": ["u"] * 3,
            "merchant_id": ["m"] * 3,
            "amount_minor": [100, 100, 100],
            "is_fraud": [False] * 3,
        },
        schema_overrides={"event_time": pl.Datetime("us", "UTC")},
    )
    costs = {cost.feature: cost for cost in rounding_cost(frame)}
    week, month = costs["user_count_7d"], costs["user_count_30d"]
    assert (week.rows, week.share_changed, week.largest_relative) == (2, 0.5, 1.0)
    assert (month.rows, month.share_changed, month.largest_relative) == (2, 0.0, 0.0)


def test_each_budget_can_be_missed(transactions: pl.DataFrame) -> None:
    """Time, memory, ratio, bytes and agreement are told one by one."""
    state = state_cost(transactions)
    fine = BatchCost(
        rows=1,
        ours=MethodCost(seconds=(9.0, 8.0), cpu_seconds=(9.0, 8.0), gib=3.0),
        pandas=MethodCost(seconds=(160.0,), cpu_seconds=(160.0,), gib=1.0),
        ratio=20.0,
        cpu_ratio=10.0,
        agreement=(Agreement(feature="f", share_equal=1.0, largest_difference=0.0),),
    )
    assert missed_budgets(fine, state) == ()
    slow = fine.ours.model_copy(update={"seconds": (8.1,)})
    large = fine.ours.model_copy(update={"gib": 3.1})
    other = (Agreement(feature="f", share_equal=0.999, largest_difference=1.0),)
    for change in ({"ours": slow}, {"ours": large}, {"ratio": 19.9}, {"agreement": other}):
        assert len(missed_budgets(fine.model_copy(update=change), state)) == 1
    fat = state.model_copy(update={"largest_user_bytes": 4097})
    assert len(missed_budgets(fine, fat)) == 1


def test_a_folder_without_days_is_refused(tmp_path: Path) -> None:
    """An empty folder gets an error that names it, and so does a file that is no Parquet."""
    with pytest.raises(InvalidFrame, match="no file"):
        handbook_transactions(tmp_path)
    Path(tmp_path, "2018-04-01.parquet").write_bytes(b"not parquet")
    with pytest.raises(InvalidFrame, match="cannot be read"):
        handbook_transactions(tmp_path)
