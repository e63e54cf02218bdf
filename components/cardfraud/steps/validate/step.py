"""The validate step: rows in = rows kept + rows in quarantine, each with its reasons."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NoReturn

import numpy as np
import polars as pl
import structlog

from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.errors import DataRejected
from cardfraud.steps.validate.config import ValidateConfig
from cardfraud.steps.validate.reading import EarlierDay, RawDay, raw_days, read_days, read_earlier
from cardfraud.steps.validate.repetitions import identifiers, repeated, with_conflicts
from cardfraud.steps.validate.report import validation_page
from cardfraud.steps.validate.result import ValidationResult
from cardfraud.steps.validate.schema import row_faults, transaction_schema
from cardfraud.steps.validate.summary import summarise

Progress = Callable[[int, int], None]
"""Called with the number of days written and of all days."""

_log = structlog.get_logger(__name__)


def run(
    config: ValidateConfig, store: ObjectStore, *, progress: Progress | None = None
) -> ValidationResult:
    """Validate raw days and write validated ones, the quarantine and a report.

    Rows in quarantine and the report are written also when the data is rejected; validated
    partitions are written only when it is accepted. A later run replaces all of them.

    Identifiers, gaps and volumes are held against earlier raw days too, so that day by day, in
    order, the same rows are kept as at once. Shares and moments are those of the days asked for.

    Args:
        config: the days and the limits.
        store: where everything is.
        progress: told after each day is written.

    Raises:
        DataRejected: there are no rows, a day is incomplete, unreadable or in other columns, or
            the data as a whole does not keep a limit. Its sentences say which.
        Unavailable: the object store does not answer.
    """
    days, before = raw_days(config, store)
    read, faults = read_days(days, store)
    earlier, more = read_earlier(config, before, days[0], store) if before else ([], [])
    if faults or more:
        source = f"raw data of {[*before, *days][0]} to {days[-1]}"
        _reject(source, [*more, *faults], hint="ingest these days again")
    if not sum(len(day.transactions) + day.set_aside for day in read):
        asked = f"{config.start or 'the first day'} to {config.end or 'the last'}"
        _reject("raw data", [f"there are no rows of {asked}"], hint="run the ingest step first")
    marked = _marked(config, read, earlier)
    edges = np.cumsum([0, *(len(day.transactions) for day in read)])
    parts = [marked[int(first) : int(last)] for first, last in pairwise(edges)]
    result = summarise(config, read, parts, earlier)
    _write_quarantine(store, read, parts)
    _write_report(store, result, marked)
    if not result.accepted:
        hint = f"see {store.uri(result.report_html)}"
        _reject(f"data of {result.first_day} to {result.last_day}", list(result.failures), hint)
    for number, (day, part) in enumerate(zip(read, parts, strict=True), start=1):
        kept = part.filter(pl.col("reason").is_null()).drop("reason")
        store.put_frame(keys.partition(keys.VALIDATED_TRANSACTIONS, day.day), kept)
        if progress is not None:
            progress(number, len(read))
    _log.info("validated", **result.model_dump(mode="json", exclude={"days"}))
    return result


def _marked(config: ValidateConfig, read: list[RawDay], earlier: list[EarlierDay]) -> pl.DataFrame:
    """All rows with the column ``reason``, null for those that keep the contract."""
    rows = pl.concat([day.transactions for day in read])
    known = [day.identifiers for day in earlier if day.identifiers is not None]
    own = [identifiers(day.transactions, day.day) for day in read]
    conflicts = repeated(pl.concat([*known, *own]), config.duplicate_days).tail(len(rows))
    faults = row_faults(rows, transaction_schema(config))
    reason = pl.Series("reason", [None], dtype=pl.String).new_from_index(0, len(rows))
    marked = rows.with_columns(reason.scatter(faults["index"], faults["reason"]))
    return with_conflicts(marked, conflicts)


def _write_quarantine(store: ObjectStore, days: list[RawDay], parts: list[pl.DataFrame]) -> None:
    folder = keys.QUARANTINE_TRANSACTIONS
    there = keys.partitions(store.keys(f"{folder}/"), folder)
    for day, part in zip(days, parts, strict=True):
        bad = part.filter(pl.col("reason").is_not_null())
        key = keys.partition(folder, day.day)
        if len(bad):
            store.put_frame(key, bad)
        elif day.day in there:
            store.delete(key)


def _write_report(store: ObjectStore, result: ValidationResult, marked: pl.DataFrame) -> None:
    kept = marked.filter(pl.col("reason").is_null()).drop("reason")
    store.put(result.report_json, result.model_dump_json(indent=2).encode())
    store.put(result.report_html, validation_page(result, kept).encode())


def _reject(source: str, failures: list[str], hint: str) -> NoReturn:
    _log.error("rejected", source=source, failures=failures[:20])
    raise DataRejected(source, failures, hint=hint)
