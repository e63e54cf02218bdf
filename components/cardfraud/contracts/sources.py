"""Where transactions come from: what every source hands over, a UTC day at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import polars as pl

REJECT_COLUMNS: Final = ("row", "transaction_id", "reason", "detail")
"""Columns of what a source cannot express as a transaction: the row's number in the source (Int64,
from 0), its id if it has one, which rule it breaks, and the offending value as text."""


@dataclass(frozen=True, slots=True)
class Extract:
    """What a source has of one UTC day.

    Attributes:
        transactions: the canonical columns, in the source's order.
        labels: the canonical columns; empty where nothing is known yet.
        rejects: ``REJECT_COLUMNS``; rows that are no transactions. None when there are none.
        ignored_columns: columns of the source that no mapping names.
    """

    transactions: pl.DataFrame
    labels: pl.DataFrame
    rejects: pl.DataFrame | None = None
    ignored_columns: tuple[str, ...] = ()


class Source(Protocol):
    """Anything that has transactions by UTC day.

    A source raises :class:`~cardfraud.errors.InvalidFrame` when it cannot be read at all; single
    rows that it cannot express go to :attr:`Extract.rejects`.
    """

    @property
    def name(self) -> str:
        """Name of the source, for the manifests."""
        ...

    def days(self) -> list[date]:
        """UTC days with data, in order."""
        ...

    def read(self, day: date) -> Extract:
        """Everything that happened on one day."""
        ...

    def users(self) -> pl.DataFrame:
        """The users in the canonical columns."""
        ...
