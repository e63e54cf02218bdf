"""The data-quality report for a person: one page that needs nothing from anywhere."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from cardfraud.contracts.transactions import MINOR_UNITS
from cardfraud.reporting import figures
from cardfraud.reporting.page import (
    Cell,
    Chart,
    box,
    cards,
    count,
    note,
    page,
    pictures,
    section,
    table,
    wide_picture,
)
from cardfraud.steps.validate.result import ValidationResult

_WORST_DAYS: Final = 10
_FEW_DAYS: Final = 60
"""With fewer days than this each is marked by a dot."""
_SMALLEST: Final = 10.0**-2
"""The smallest amount that is not zero, major units."""


def validation_page(result: ValidationResult, kept: pl.DataFrame) -> str:
    """Return the report as HTML.

    Args:
        result: what was found.
        kept: the rows that keep the contract, canonical columns.
    """
    verdict = (
        "Accepted: everything is within its limits."
        if result.accepted
        else "Rejected: not every limit is kept."
    )
    return page(
        f"Data quality, {result.first_day} to {result.last_day}",
        f"Report {result.name} on the transactions of {len(result.days):,} days, UTC.",
        box(
            verdict,
            passed=result.accepted,
            checks=[(False, failure) for failure in result.failures],
        ),
        section("Rows", _rows(result)),
        section("Why rows are in quarantine", _reasons(result)),
        section("Pictures", wide_picture(_volume(result)), pictures(_distributions(kept))),
        section("Days with most rows that are not kept", _worst_days(result)),
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
            (money(result.mean_amount), "mean amount, major units"),
            (money(result.std_amount), "standard deviation of the amounts, major units"),
            (share, "frauds among the transactions with a label"),
        ]
    )


def _reasons(result: ValidationResult) -> str:
    if not result.reasons:
        return note("No row is in quarantine.")
    rows = sorted(result.reasons.items(), key=lambda item: (-item[1], item[0]))
    return table(
        ["reason", Cell("rows", "n")], [[reason, count(number)] for reason, number in rows]
    )


def _worst_days(result: ValidationResult) -> str:
    lost = [day for day in result.days if day.quarantined + day.set_aside]
    if not lost:
        return note("Every row of every day was kept.")
    worst = sorted(lost, key=lambda day: -day.quarantined - day.set_aside)[:_WORST_DAYS]
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


def _volume(result: ValidationResult) -> Chart:
    days = [np.datetime64(day.day) for day in result.days]
    lost = [day.quarantined + day.set_aside for day in result.days]
    marker = "." if len(days) < _FEW_DAYS else ""
    with figures.picture(width=10.6, height=2.6) as drawing:
        axes = drawing.axes
        axes.plot(
            days, [d.rows_in for d in result.days], marker=marker, color=figures.BLUE, label="read"
        )
        axes.plot(days, lost, marker=marker, color=figures.RED, label="not kept")
        axes.set_ylim(bottom=0)
        axes.set_ylabel("rows a day")
        figures.thousands(axes)
        figures.dates(axes)
        figures.legend(axes)
    return Chart("Rows of each day", "By the UTC day of the transaction.", drawing.svg)


def _distributions(kept: pl.DataFrame) -> list[Chart]:
    return [
        Chart(
            "Amounts",
            "Kept rows by amount, on a logarithmic scale; zeros stand at the left edge.",
            _amounts(kept),
        ),
        Chart("Hours", "Kept rows by hour of the day, UTC.", _hours(kept)),
    ]


def _amounts(kept: pl.DataFrame) -> str:
    amounts = kept["amount_minor"].to_numpy() / MINOR_UNITS
    # Zeros have no place on a logarithmic scale; they stand with the smallest amounts.
    shown = np.clip(amounts, _SMALLEST, None)
    top = max(float(np.ceil(np.log10(shown.max(initial=_SMALLEST)))), 1.0)
    edges = np.logspace(np.log10(_SMALLEST), top, 65)
    rows, _ = np.histogram(shown, bins=edges)
    with figures.picture() as drawing:
        axes = drawing.axes
        axes.stairs(rows, edges, fill=True, color=figures.BLUE)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.set_xlabel("amount, major units")
        axes.set_ylabel("rows")
        figures.thousands(axes)
    return drawing.svg


def _hours(kept: pl.DataFrame) -> str:
    hours = np.bincount(kept["event_time"].dt.hour().to_numpy(), minlength=24)
    with figures.picture() as drawing:
        axes = drawing.axes
        axes.bar(np.arange(24), hours, color=figures.BLUE, width=0.85)
        axes.set_xticks(range(0, 24, 3))
        axes.set_xlabel("hour")
        axes.set_ylabel("rows")
        axes.grid(visible=False, axis="x")
        figures.thousands(axes)
    return drawing.svg
