"""Computes the values of every stored view, and the state as of the end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import polars as pl

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.features import batch
from cardfraud.features.definitions import STORED_VIEWS
from cardfraud.steps.featurize.config import FeaturizeConfig, FeaturizeResult
from cardfraud.steps.featurize.reading import read_labels, read_transactions
from cardfraud.steps.featurize.snapshots import write_snapshots

Progress = Callable[[int, int], None]
"""Is called with the number of partitions written and the number there are to write."""


def run(
    config: FeaturizeConfig,
    store: ObjectStore,
    feature_store: FeatureStore,
    progress: Progress | None = None,
) -> FeaturizeResult:
    """Write the values of the asked days, and the state snapshots.

    Everything is a function of the validated transactions and the labels: running it again writes
    the same bytes under the same names.

    Args:
        config: the days.
        store: holds validated transactions and labels, and takes the values.
        feature_store: its registry must be of this feature set.
        progress: hears of every partition.

    Raises:
        NotFound: there are no validated transactions up to the last day.
        IntegrityError: the feature store is of another feature set.
    """
    digest = feature_store.check()
    transactions = read_transactions(store, config.end)
    labels = read_labels(store, config.end)
    stored = batch.stored_values(transactions, labels)
    slices = _days(transactions, config.start)
    total, done = len(slices) * len(STORED_VIEWS), 0
    for view in STORED_VIEWS:
        for day, first, count in slices:
            frame = batch.view_frame(
                view,
                {f.name: stored[f.name][first : first + count] for f in view.features},
                transactions.slice(first, count),
            )
            store.put_frame(keys.partition(keys.values_folder(view.name), day), frame)
            done += 1
            if progress is not None:
                progress(done, total)
    return FeaturizeResult(
        rows=sum(count for _, _, count in slices),
        rows_read=len(transactions),
        days=tuple(day for day, _, _ in slices),
        feature_set=digest,
        snapshot=write_snapshots(store, config.as_of, transactions, labels),
    )


def _days(transactions: pl.DataFrame, start: date) -> list[tuple[date, int, int]]:
    """Days from ``start`` on with the first row and the number of rows of each.

    Args:
        transactions: in order of event time.
        start: first day that is wanted.
    """
    days = transactions["event_time"].dt.date()
    runs = days.rle()
    starts = np.r_[0, np.cumsum(runs.struct.field("len").to_numpy())]
    return [
        (run["value"], int(first), int(run["len"]))
        for run, first in zip(runs.to_list(), starts, strict=False)
        if run["value"] >= start
    ]
