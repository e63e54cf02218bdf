"""The simulator: any day of the simulated world, on its own or in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cardfraud.contracts.sources import Extract
from cardfraud.contracts.transactions import to_microseconds
from cardfraud.errors import InvalidInput
from cardfraud.simulation.labels import labels_of_day
from cardfraud.simulation.payments import Payments, Scenario, payments_of_day
from cardfraud.simulation.population import Int, Population, populate, users_frame
from cardfraud.simulation.settings import SimulationSettings
from cardfraud.simulation.streams import Concern, stream

__all__ = ["Scenario", "SimulatedDay", "Simulator"]

SEQUENCE_DIGITS: Final = 7


@dataclass(frozen=True, slots=True)
class SimulatedDay:
    """One day of the simulated world, ``N`` transactions.

    Attributes:
        day: UTC date of all of them.
        transactions: canonical columns, sorted by (event_time, transaction_id).
        labels: canonical columns, all revisions, whenever they were reported.
        scenario: ``[N]`` values of :class:`Scenario`: the truth, in the order of the transactions.
    """

    day: date
    transactions: pl.DataFrame
    labels: pl.DataFrame
    scenario: NDArray[np.int8]


class Simulator:
    """A simulated world; also a :class:`~cardfraud.contracts.sources.Source`.

    Each day depends on the settings and its own date only: a longer range, or days asked for out
    of order, give the very same rows.
    """

    name = "simulator"

    def __init__(self, settings: SimulationSettings | None = None) -> None:
        """Draw the users and the merchants."""
        self.settings = settings or SimulationSettings()
        self._people: Population = populate(self.settings)
        segments = pl.Series([s.name for s in self.settings.segments], dtype=pl.String)
        self._segment = segments.gather(self._people.segment)

    def days(self) -> list[date]:
        """All days, in order."""
        return [self.settings.start + timedelta(days=n) for n in range(self.settings.days)]

    def users(self) -> pl.DataFrame:
        """All users in the canonical columns, also those who join after the last day."""
        return users_frame(self.settings, self._people)

    def simulate(self) -> Iterator[SimulatedDay]:
        """Yield every day in order."""
        for day in self.days():
            yield self.day(day)

    def read(self, day: date) -> Extract:
        """Return one day as a source for ingestion.

        Raises:
            InvalidInput: the day is outside the range.
        """
        simulated = self.day(day)
        return Extract(simulated.transactions, simulated.labels)

    def day(self, day: date) -> SimulatedDay:
        """Return one day.

        Raises:
            InvalidInput: the day is outside the range.
        """
        number = (day - self.settings.start).days
        if not 0 <= number < self.settings.days:
            message = f"{day} is not one of the {self.settings.days} simulated days"
            raise InvalidInput(message, hint=f"they begin on {self.settings.start}")
        payments = payments_of_day(self.settings, self._people, number)
        order = np.argsort(payments.milliseconds, kind="stable")
        time_us = _day_start_us(day) + payments.milliseconds[order] * 1_000
        identifiers = _identifiers(day, len(payments))
        scenario = payments.scenario[order]
        return SimulatedDay(
            day,
            self._transactions(payments, order, identifiers, time_us),
            self._labels(number, identifiers, time_us, scenario),
            scenario,
        )

    def _transactions(
        self, payments: Payments, order: Int, identifiers: pl.Series, time_us: Int
    ) -> pl.DataFrame:
        user = payments.user[order]
        return pl.DataFrame(
            {
                "transaction_id": identifiers,
                "event_time": pl.Series(time_us).cast(pl.Datetime("us", "UTC")),
                "user_id": self._people.user_id.gather(user),
                "merchant_id": self._people.merchant_id.gather(payments.merchant[order]),
                "amount_minor": pl.Series(payments.amount[order]),
                "currency": pl.Series([self.settings.currency]).new_from_index(0, len(user)),
                "segment": self._segment.gather(user),
            }
        )

    def _labels(
        self, number: int, identifiers: pl.Series, time_us: Int, scenario: NDArray[np.int8]
    ) -> pl.DataFrame:
        return labels_of_day(
            self.settings.labels,
            stream(self.settings.seed, Concern.LABELS, number),
            identifiers,
            time_us,
            scenario != Scenario.NONE,
        )


def _day_start_us(day: date) -> int:
    return to_microseconds(datetime.combine(day, time(), UTC))


def _identifiers(day: date, count: int) -> pl.Series:
    # The date in front makes lexical order the order of creation, without a counter over all days.
    numbers = pl.Series(np.arange(count)).cast(pl.String).str.zfill(SEQUENCE_DIGITS)
    return (pl.Series([f"t{day:%Y%m%d}-"]) + numbers).rename("transaction_id")
