"""A range of UTC days that may be open at either end."""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import model_validator

from cardfraud.contracts.frozen import Frozen


class DayRange(Frozen):
    """Days from ``start`` to ``end``, both inclusive; None leaves that end open."""

    start: date | None = None
    end: date | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start is not None and self.end is not None and self.start > self.end:
            msg = f"end {self.end} must not lie before start {self.start}"
            raise ValueError(msg)
        return self

    def covers(self, day: date) -> bool:
        """Tell whether a day is asked for."""
        return (self.start is None or day >= self.start) and (self.end is None or day <= self.end)
