"""What a validation found, for the next step and for a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict


class DayCounts(BaseModel):
    """One day: ``rows_in = kept + quarantined``; ``set_aside`` never came so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: date
    rows_in: int
    kept: int
    quarantined: int
    set_aside: int


class ValidationResult(BaseModel):
    """What a validation found: ``rows_in = kept + quarantined``.

    Attributes:
        name: of the report.
        accepted: whether everything is within its limits.
        failures: one sentence for each limit that is not kept.
        first_day: first day that was read.
        last_day: last day that was read.
        rows_in: raw rows.
        kept: rows that keep the contract.
        quarantined: rows that do not.
        set_aside: rows that ingestion had set aside already.
        reasons: number of rows by reason; a row may have several.
        mean_amount: of the kept rows, major units.
        std_amount: sample standard deviation of the same.
        labels: label rows.
        fraud_share: of the transactions with a label, those whose latest label says fraud.
        days: the counts by day.
        report_html: key of the page.
        report_json: key of this document.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    accepted: bool
    failures: tuple[str, ...]
    first_day: date
    last_day: date
    rows_in: int
    kept: int
    quarantined: int
    set_aside: int
    reasons: Mapping[str, int]
    mean_amount: float | None
    std_amount: float | None
    labels: int
    fraud_share: float | None
    days: tuple[DayCounts, ...]
    report_html: str
    report_json: str

    @property
    def quarantine_share(self) -> float:
        """Share of all rows, also those that ingestion set aside, that are not kept."""
        total = self.rows_in + self.set_aside
        return (self.quarantined + self.set_aside) / total if total else 0.0
