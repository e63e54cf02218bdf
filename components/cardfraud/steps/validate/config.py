"""What can be set about a validation; the defaults suit card payments in euros or the like."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from cardfraud.contracts.days import DayRange
from cardfraud.contracts.frozen import Frozen
from cardfraud.contracts.transactions import Currency

Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]


class Limits(Frozen):
    """What the data as a whole must keep to, or the run stops.

    Attributes:
        max_quarantine_share: of all rows, those that ingestion set aside included.
        mean_amount: lowest and highest mean of the amounts, major units.
        std_amount: lowest and highest sample standard deviation of the amounts, major units.
        rows_per_day: lowest and highest number of rows of a day.
        volume_ratio: lowest and highest ratio of a day's rows to the median of the days before.
        volume_days: how many days before are looked at, asked for or not.
        volume_min_days: with fewer days before than these, a day is not compared.
        allow_gaps: whether a day without data between two with data passes.
    """

    max_quarantine_share: Share = 0.01
    mean_amount: tuple[Amount, Amount] = (10.0, 1_000.0)
    std_amount: tuple[Amount, Amount] = (5.0, 500.0)
    rows_per_day: tuple[Annotated[int, Field(ge=1)], int] = (1, 10_000_000)
    volume_ratio: tuple[Amount, Amount] = (0.25, 4.0)
    volume_days: Annotated[int, Field(ge=1)] = 14
    volume_min_days: Annotated[int, Field(ge=1)] = 7
    allow_gaps: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("mean_amount", "std_amount", "rows_per_day", "volume_ratio"):
            low, high = getattr(self, name)
            if low > high:
                msg = f"{name}: {low} is above {high}"
                raise ValueError(msg)
        return self


class ValidateConfig(DayRange):
    """Which days are validated, against what.

    Attributes:
        start: first UTC day; none means the first there is.
        end: last UTC day, inclusive; none means the last there is.
        now: an event later than this, plus the allowance, lies in the future.
        clock_allowance: how far a source's clock may be ahead.
        currency: the one currency of the deployment.
        duplicate_days: a row conflicts with an earlier one of the same identifier of its own day or
            of so many days before, whether these days are asked for or not; they are read for it.
            An identifier that comes again later than that counts as new.
        limits: of the data as a whole.
        name: of the report; none makes one of the first and the last day.
    """

    now: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    clock_allowance: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(minutes=5)
    currency: Currency = "EUR"
    duplicate_days: Annotated[int, Field(ge=0, le=3_660)] = 14
    limits: Limits = Limits()
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] | None = None
