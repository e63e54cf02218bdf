"""What the users of one day buy, and what thieves do with their cards."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.transactions import MAX_AMOUNT_MINOR, MINOR_UNITS
from cardfraud.simulation.population import Int, Population
from cardfraud.simulation.settings import Drift, FraudScenarios, SimulationSettings
from cardfraud.simulation.streams import Concern, stream

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
BURST_MS: Final = 10 * 60_000
NIGHT_MS: Final = 4 * HOUR_MS
TEST_AMOUNTS: Final = (50, 500)
"""Range of a card test's amount, minor units."""


class Scenario(IntEnum):
    """Why a transaction is a fraud; where several hold, the highest number is told."""

    NONE = 0
    LARGE_AMOUNT = 1
    COMPROMISED_MERCHANT = 2
    STOLEN_CARD = 3
    CARD_TEST = 4


@dataclass(slots=True)
class Payments:
    """``N`` payments of one day, in no order.

    Attributes:
        user: ``[N]`` index of the user.
        merchant: ``[N]`` index of the merchant.
        milliseconds: ``[N]`` since the start of the day, below 86,400,000.
        amount: ``[N]`` minor units.
        scenario: ``[N]`` values of :class:`Scenario`.
    """

    user: Int
    merchant: Int
    milliseconds: Int
    amount: Int
    scenario: NDArray[np.int8]

    def __len__(self) -> int:
        """Return the number of payments."""
        return len(self.user)


def payments_of_day(settings: SimulationSettings, people: Population, day: int) -> Payments:
    """Draw all payments of a day, counted from the start, with the frauds among them."""
    payments = _purchases(settings, people, day)
    _mark_frauds(settings, payments, day)
    drift = settings.drift
    if drift is not None and day >= (drift.start - settings.start).days:
        _shift(drift, payments)
        payments = _join(payments, _card_tests(settings, drift, people, day))
    np.minimum(payments.amount, MAX_AMOUNT_MINOR, out=payments.amount)
    return payments


def _purchases(settings: SimulationSettings, people: Population, day: int) -> Payments:
    random = stream(settings.seed, Concern.PAYMENTS, day)
    rate = np.where(people.joined_day <= day, people.daily_rate, 0.0)
    user = np.repeat(np.arange(settings.users), random.poisson(rate))
    hours = random.normal(settings.hours_around, settings.hours_spread, len(user))
    inside = (hours >= 0) & (hours < 24)
    user = user[inside]
    mean = people.mean_amount[user]
    amount = random.normal(mean, mean / 2)
    # The handbook's rule for negative amounts: uniform around the mean instead.
    amount = np.where(amount < 0, random.uniform(0, 2 * mean), amount)
    pick = (random.random(len(user)) * people.nearby_count[user]).astype(np.int64)
    return Payments(
        user=user,
        merchant=people.nearby[people.nearby_start[user] + pick],
        milliseconds=(hours[inside] * HOUR_MS).astype(np.int64),
        amount=np.rint(amount * MINOR_UNITS).astype(np.int64),
        scenario=np.zeros(len(user), dtype=np.int8),
    )


def _mark_frauds(settings: SimulationSettings, payments: Payments, day: int) -> None:
    rules: FraudScenarios = settings.fraud
    payments.scenario[payments.amount > rules.amount_above * MINOR_UNITS] = Scenario.LARGE_AMOUNT
    merchants = _compromised(settings, Concern.COMPROMISED_MERCHANTS, day, rules.merchant_days)
    bad = np.isin(payments.merchant, merchants)
    payments.scenario[bad] = Scenario.COMPROMISED_MERCHANT
    users = _compromised(settings, Concern.COMPROMISED_USERS, day, rules.user_days)
    chance = stream(settings.seed, Concern.THEFTS, day).random(len(payments))
    stolen = np.isin(payments.user, users) & (chance < rules.user_share)
    payments.scenario[stolen] = Scenario.STOLEN_CARD
    inflated = payments.amount[stolen] * rules.user_amount_factor
    payments.amount[stolen] = np.rint(inflated).astype(np.int64)


def _compromised(settings: SimulationSettings, concern: Concern, day: int, lasting: int) -> Int:
    """Indices that were compromised on ``day`` or on one of the ``lasting - 1`` days before."""
    if concern is Concern.COMPROMISED_MERCHANTS:
        population, count = settings.merchants, settings.fraud.merchants_per_day
    else:
        population, count = settings.users, settings.fraud.users_per_day
    drawn = [
        stream(settings.seed, concern, earlier).choice(
            population, size=min(count, population), replace=False
        )
        for earlier in range(max(0, day - lasting + 1), day + 1)
    ]
    return np.unique(np.concatenate(drawn))


def _shift(drift: Drift, payments: Payments) -> None:
    payments.amount = np.rint(payments.amount * drift.amount_factor).astype(np.int64)
    payments.milliseconds = (payments.milliseconds + round(drift.hour_shift * HOUR_MS)) % DAY_MS


def _card_tests(
    settings: SimulationSettings, drift: Drift, people: Population, day: int
) -> Payments:
    random = stream(settings.seed, Concern.CARD_TESTS, day)
    joined = np.flatnonzero(people.joined_day <= day)
    cards = random.choice(joined, size=min(drift.testers_per_day, len(joined)), replace=False)
    user = np.repeat(cards, drift.tests_per_card)
    begin = np.repeat(random.integers(0, NIGHT_MS, len(cards)), drift.tests_per_card)
    return Payments(
        user=user,
        merchant=random.integers(0, settings.merchants, len(user)),
        milliseconds=begin + random.integers(0, BURST_MS, len(user)),
        amount=random.integers(TEST_AMOUNTS[0], TEST_AMOUNTS[1] + 1, len(user)),
        scenario=np.full(len(user), Scenario.CARD_TEST, dtype=np.int8),
    )


def _join(first: Payments, second: Payments) -> Payments:
    return Payments(
        user=np.concatenate([first.user, second.user]),
        merchant=np.concatenate([first.merchant, second.merchant]),
        milliseconds=np.concatenate([first.milliseconds, second.milliseconds]),
        amount=np.concatenate([first.amount, second.amount]),
        scenario=np.concatenate([first.scenario, second.scenario]),
    )
