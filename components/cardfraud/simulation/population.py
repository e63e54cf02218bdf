"""Who lives in the simulated world: users with a home and habits, and the merchants near them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cardfraud.simulation.settings import SimulationSettings
from cardfraud.simulation.streams import Concern, stream

Float = NDArray[np.float64]
Int = NDArray[np.int64]

JOINING_DAYS: Final = 180
OLDEST_TENURE_DAYS: Final = 1_095
_CHUNK: Final = 1_000
"""Users whose distances to all merchants are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Population:
    """``U`` users, and the merchants that each of them may visit.

    Attributes:
        mean_amount: ``[U]`` major units.
        daily_rate: ``[U]`` mean transactions a day.
        segment: ``[U]`` index into the settings' segments.
        joined_day: ``[U]`` day of joining, from the start; negative for most.
        nearby: merchants of the first user, then of the second, and so on.
        nearby_start: ``[U]`` where a user's merchants begin in ``nearby``.
        nearby_count: ``[U]`` how many there are, at least 1.
        user_id: ``[U]`` identifiers.
        merchant_id: ``[M]`` identifiers.
    """

    mean_amount: Float
    daily_rate: Float
    segment: Int
    joined_day: Int
    nearby: Int
    nearby_start: Int
    nearby_count: Int
    user_id: pl.Series
    merchant_id: pl.Series


def populate(settings: SimulationSettings) -> Population:
    """Draw the users and the merchants of a world."""
    random = stream(settings.seed, Concern.USERS)
    count = settings.users
    homes = random.uniform(0, settings.side, (count, 2))
    amounts = random.uniform(*settings.mean_amounts, count)
    rates = random.uniform(*settings.daily_rates, count)
    shares = np.array([segment.share for segment in settings.segments])
    segment = random.choice(len(shares), size=count, p=shares / shares.sum())
    later = random.random(count) < settings.joining_share
    joined = np.where(
        later,
        random.integers(1, JOINING_DAYS + 1, count),
        -random.integers(1, OLDEST_TENURE_DAYS + 1, count),
    )
    places = stream(settings.seed, Concern.MERCHANTS).uniform(
        0, settings.side, (settings.merchants, 2)
    )
    nearby, nearby_count = _neighbours(homes, places, settings.radius)
    by_segment = settings.segments
    return Population(
        mean_amount=amounts * np.array([s.amount_factor for s in by_segment])[segment],
        daily_rate=rates * np.array([s.rate_factor for s in by_segment])[segment],
        segment=segment.astype(np.int64),
        joined_day=joined,
        nearby=nearby,
        nearby_start=np.cumsum(nearby_count) - nearby_count,
        nearby_count=nearby_count,
        user_id=_identifiers("u", count),
        merchant_id=_identifiers("m", settings.merchants),
    )


def users_frame(settings: SimulationSettings, population: Population) -> pl.DataFrame:
    """Return the users in the canonical columns: user_id, segment, joined_at."""
    start = datetime.combine(settings.start, time(), UTC)
    names = pl.Series([segment.name for segment in settings.segments], dtype=pl.String)
    return pl.DataFrame(
        {
            "user_id": population.user_id,
            "segment": names.gather(population.segment),
            "day": population.joined_day,
        }
    ).select(
        "user_id",
        "segment",
        joined_at=pl.lit(start, dtype=pl.Datetime("us", "UTC")) + pl.duration(days="day"),
    )


def _neighbours(homes: Float, places: Float, radius: float) -> tuple[Int, Int]:
    """Merchants within ``radius`` of each home, or the nearest one, and their number a home."""
    found: list[Int] = []
    counts: list[Int] = []
    for begin in range(0, len(homes), _CHUNK):
        chunk = homes[begin : begin + _CHUNK]
        squared = np.zeros((len(chunk), len(places)))
        for axis in range(2):
            squared += (chunk[:, axis, None] - places[None, :, axis]) ** 2
        near = squared < radius**2
        alone = np.flatnonzero(~near.any(axis=1))
        near[alone, squared[alone].argmin(axis=1)] = True
        found.append(np.nonzero(near)[1])
        counts.append(near.sum(axis=1))
    return np.concatenate(found), np.concatenate(counts)


def _identifiers(letter: str, count: int) -> pl.Series:
    # A letter in front: an identifier of digits alone could look like a card number.
    numbers = pl.Series(np.arange(count)).cast(pl.String).str.zfill(len(str(count - 1)))
    return (pl.Series([letter]) + numbers).rename("")
