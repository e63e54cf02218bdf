"""Counting what the rows of a validation came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from cardfraud.contracts.keys import VALIDATION_REPORTS
from cardfraud.contracts.transactions import MINOR_UNITS
from cardfraud.steps.validate.config import ValidateConfig
from cardfraud.steps.validate.limits import failures
from cardfraud.steps.validate.reading import EarlierDay, RawDay
from cardfraud.steps.validate.result import DayCounts, ValidationResult


def summarise(
    config: ValidateConfig,
    days: list[RawDay],
    parts: list[pl.DataFrame],
    before: Sequence[EarlierDay] = (),
) -> ValidationResult:
    """Count rows and reasons, and hold the whole against the limits.

    Args:
        config: the limits and the report's name.
        days: the raw days.
        parts: their rows with the column ``reason``, null for those that are kept.
        before: the days before these.
    """
    counts = tuple(_day_counts(day, part) for day, part in zip(days, parts, strict=True))
    rows = pl.concat(parts)
    amounts = rows.filter(pl.col("reason").is_null())["amount_minor"] / MINOR_UNITS
    mean, std = (_finite(amounts.mean()), _finite(amounts.std()))
    name = config.name or f"{days[0].day}_{days[-1].day}"
    result = ValidationResult(
        name=name,
        accepted=True,
        failures=(),
        first_day=days[0].day,
        last_day=days[-1].day,
        rows_in=len(rows),
        kept=len(amounts),
        quarantined=len(rows) - len(amounts),
        set_aside=sum(day.set_aside for day in days),
        reasons=_reasons(rows),
        mean_amount=mean,
        std_amount=std,
        labels=sum(len(day.labels) for day in days),
        fraud_share=_fraud_share(days),
        days=counts,
        report_html=f"{VALIDATION_REPORTS}/{name}.html",
        report_json=f"{VALIDATION_REPORTS}/{name}.json",
    )
    broken = failures(
        config.limits,
        counts,
        before=[(day.day, day.rows) for day in before],
        quarantine_share=result.quarantine_share,
        mean_amount=mean,
        std_amount=std,
    )
    return result.model_copy(update={"accepted": not broken, "failures": tuple(broken)})


def _day_counts(day: RawDay, part: pl.DataFrame) -> DayCounts:
    kept = part["reason"].null_count()
    return DayCounts(
        day=day.day,
        rows_in=len(part),
        kept=kept,
        quarantined=len(part) - kept,
        set_aside=day.set_aside,
    )


def _reasons(rows: pl.DataFrame) -> dict[str, int]:
    found = rows["reason"].drop_nulls().value_counts()
    counter: Counter[str] = Counter()
    for reasons, number in found.iter_rows():
        for reason in reasons.split("; "):
            counter[reason] += number
    return dict(counter.most_common())


def _fraud_share(days: list[RawDay]) -> float | None:
    shares = pl.concat([day.labels for day in days])
    latest = shares.sort("revision").group_by("transaction_id").agg(pl.col("is_fraud").last())
    return _finite(latest["is_fraud"].mean())


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
