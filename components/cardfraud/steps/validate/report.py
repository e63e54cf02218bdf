"""The data-quality report for a person: one page that needs nothing from anywhere."""

from __future__ import annotations

import numpy as np
import polars as pl

from cardfraud.contracts.transactions import MINOR_UNITS
from cardfraud.reporting import figures
from cardfraud.reporting.page import (
    Cell,
    box,
    cards,
    count,
    page,
    paragraph,
    pictures,
    section,
    table,
)
from cardfraud.steps.validate.result import ValidationResult

_WORST_DAYS = 10


def validation_page(result: ValidationResult, kept: pl.DataFrame) -> str:
    """Return the report as HTML.

    Args:
        result: what was found.
        kept: the rows that keep the contract, canonical columns.
    """
    verdict = "Accepted: everything is within its limits."
    if not result.accepted:
        verdict = f"Rejected: {'; '.join(result.failures[:5])}."
    return page(
        f"Data quality {result.name}",
        f"Transactions of {result.first_day} to {result.last_day}, UTC.",
        box(verdict, passed=result.accepted),
        section("Rows", _rows(result)),
        *([] if result.accepted else [section("Limits that are not kept", _failures(result))]),
        section("Reasons", _reasons(result)),
        section("Pictures", _pictures(result, kept)),
        section("Days with most rows in quarantine", _worst_days(result)),
    )


def _rows(result: ValidationResult) -> str:
    def money(value: float | None) -> str:
        return "none" if value is None else f"{value:,.2f}"

    share = "none known" if result.fraud_share is None else f"{result.fraud_share:.3%}"
    return cards(
        [
            (f"{result.rows_in:,}", "rows read"),
            (f"{result.kept:,}", "rows kept"),
            (f"{result.quarantined:,}", "rows in quarantine"),
            (f"{result.set_aside:,}", "rows set aside at ingestion"),
            (f"{result.quarantine_share:.3%}", "share of rows not kept"),
            (money(result.mean_amount), "mean amount"),
            (money(result.std_amount), "standard deviation of the amounts"),
            (share, "frauds among the labelled"),
        ]
    )


def _failures(result: ValidationResult) -> str:
    return table(["limit"], [[failure] for failure in result.failures])


def _reasons(result: ValidationResult) -> str:
    if not result.reasons:
        return paragraph("No row is in quarantine.")
    rows = sorted(result.reasons.items(), key=lambda item: (-item[1], item[0]))
    return table(
        ["reason", Cell("rows", "n")], [[reason, count(number)] for reason, number in rows]
    )


def _worst_days(result: ValidationResult) -> str:
    worst = sorted(result.days, key=lambda day: -day.quarantined - day.set_aside)[:_WORST_DAYS]
    return table(
        ["day", *(Cell(name, "n") for name in ("read", "kept", "quarantine", "set aside"))],
        [
            [
                day.day.isoformat(),
                count(day.rows_in),
                count(day.kept),
                count(day.quarantined),
                count(day.set_aside),
            ]
            for day in worst
        ],
    )


def _pictures(result: ValidationResult, kept: pl.DataFrame) -> str:
    return pictures(
        [
            (_volume(result), "Rows of each day; in red those that are not kept."),
            (_amounts(kept), "Amounts, major units; zeros stand at the left edge."),
            (_hours(kept), "Hour of the day, UTC."),
        ]
    )


def _volume(result: ValidationResult) -> str:
    days = [np.datetime64(day.day) for day in result.days]
    lost = [day.quarantined + day.set_aside for day in result.days]
    with figures.picture() as drawing:
        axes = drawing.axes
        axes.plot(days, [day.rows_in for day in result.days], ".-", color=figures.BLUE)
        axes.plot(days, lost, ".-", color=figures.RED)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("rows")
        axes.tick_params(axis="x", rotation=30)
    return drawing.svg


def _amounts(kept: pl.DataFrame) -> str:
    amounts = kept["amount_minor"].to_numpy() / MINOR_UNITS
    edges = np.logspace(-2, 6, 65)
    # Zeros have no place on a logarithmic scale; they stand with the smallest amounts.
    rows, _ = np.histogram(np.clip(amounts, edges[0], None), bins=edges)
    with figures.picture() as drawing:
        axes = drawing.axes
        axes.stairs(rows, edges, fill=True, color=figures.BLUE)
        axes.set_xscale("log")
        axes.set_xlabel("amount")
        axes.set_ylabel("rows")
    return drawing.svg


def _hours(kept: pl.DataFrame) -> str:
    hours = np.bincount(kept["event_time"].dt.hour().to_numpy(), minlength=24)
    with figures.picture() as drawing:
        axes = drawing.axes
        axes.bar(np.arange(24), hours, color=figures.BLUE, width=0.85)
        axes.set_xlabel("hour")
        axes.set_ylabel("rows")
    return drawing.svg
