"""From a source of transactions to the measured ladder: fit, choose thresholds, measure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import polars as pl

from cardfraud.contracts.policy import Rule
from cardfraud.contracts.sources import Source
from cardfraud.errors import InvalidSetting
from cardfraud.features.labels import latest_labels
from cardfraud_pipelines.ladder.measure import Progress, measure
from cardfraud_pipelines.ladder.requests import asked_by_day
from cardfraud_pipelines.ladder.result import LadderResult
from cardfraud_pipelines.ladder.rules import RULES
from cardfraud_pipelines.ladder.subject import Periods, Tables, fit_subject
from cardfraud_pipelines.scorecard.configuration import CONFIGURATION, Configuration

_DAY: Final = timedelta(days=1)


def run_ladder(
    source: Source,
    described: str,
    *,
    start: date,
    days: int,
    seed: int = 42,
    configuration: Configuration = CONFIGURATION,
    rules: Sequence[Rule] = RULES,
    progress: Progress = lambda _: None,
) -> LadderResult:
    """Fit on what was known, choose the thresholds on the week after, measure the days after that.

    A label delay lies between the training and the validation week, and between that and the first
    measured day; of later days nothing is read. Fit and choice take the labels that were reported
    when the first measured day began; the measured days are judged by the last word on each row.

    Args:
        source: where the transactions come from.
        described: that, in words.
        start: first measured day.
        days: measured days.
        seed: of the model.
        configuration: the model; the scorecard's if absent.
        rules: beside the model.
        progress: called with a sentence before each part of the work.

    Raises:
        InvalidSetting: ``days`` is below 1, or the source has not these days and enough before.
        InvalidFrame: a period holds no fraud.
    """
    if days < 1:
        raise InvalidSetting("days", f"must be at least 1, got {days}")
    end = start + days * _DAY
    progress("reading transactions")
    tables = _read(source, Periods(start), end)
    subject = fit_subject(
        tables, Periods(start), described, configuration, rules, seed=seed, progress=progress
    )
    measured = [start + n * _DAY for n in range(days)]
    return measure(
        subject, asked_by_day(tables.transactions, tables.labels, measured), progress=progress
    )


def _read(source: Source, periods: Periods, end: date) -> Tables:
    there = source.days()
    wanted = [day for day in there if day < end]
    if end - _DAY not in there or not wanted or wanted[0] >= periods.train_end:
        known = f"{there[0]} to {there[-1]}" if there else "no day"
        raise InvalidSetting(
            "start", f"{periods.start} leaves too few days", hint=f"the data has {known}"
        )
    extracts = [source.read(day) for day in wanted]
    transactions = pl.concat([one.transactions for one in extracts]).sort(
        "event_time", "transaction_id"
    )
    labels = pl.concat([one.labels for one in extracts])
    # What is fitted and chosen knows what was reported when the first measured day began, no more.
    begun = datetime.combine(periods.start, time(), UTC)
    reported = latest_labels(labels.filter(pl.col("reported_at") <= begun))
    known_frauds = transactions.select("transaction_id").join(
        reported, on="transaction_id", how="left", maintain_order="left"
    )["is_fraud"]
    return Tables(transactions, labels, known_frauds.fill_null(value=False).to_numpy())
