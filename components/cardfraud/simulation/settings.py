"""What can be set about the simulated world; the defaults give the handbook's kind of data."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from cardfraud.contracts.frozen import Frozen
from cardfraud.contracts.transactions import Currency

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Segment(Frozen):
    """A kind of user, who spends and shops a little differently.

    Attributes:
        name: what the column ``segment`` holds.
        share: weight among all segments; the weights need not add up to 1.
        amount_factor: on the mean amount of its users.
        rate_factor: on the number of their transactions a day.
    """

    name: Annotated[str, Field(min_length=1, max_length=64)]
    share: Positive
    amount_factor: Positive = 1.0
    rate_factor: Positive = 1.0


class FraudScenarios(Frozen):
    """The three scenarios of the handbook, chapter 3, "fraud scenarios generation".

    Attributes:
        amount_above: scenario 1: a larger amount than this, in major units, is a fraud.
        merchants_per_day: scenario 2: so many merchants are compromised each day.
        merchant_days: every transaction on them is a fraud for so many days, the first included.
        users_per_day: scenario 3: so many users' card data is stolen each day.
        user_days: the thief shops for so many days, the first included.
        user_share: share of the user's transactions in that time that are the thief's.
        user_amount_factor: factor on the amounts of those.
    """

    amount_above: Positive = 220.0
    merchants_per_day: Count = 2
    merchant_days: Annotated[int, Field(ge=1)] = 28
    users_per_day: Count = 3
    user_days: Annotated[int, Field(ge=1)] = 14
    user_share: Share = 1 / 3
    user_amount_factor: Positive = 5.0


class LateLabels(Frozen):
    """When and how surely it becomes known whether a transaction was a fraud.

    Attributes:
        median_days: median of the time from the event to its first label, a lognormal variable.
        spread: standard deviation of that time's logarithm; with the defaults 83 % of the labels
            come within 7 days.
        longest_days: no label comes later than this.
        missed_share: share of the frauds that are first reported as legitimate.
        false_alarm_share: share of the others that are first reported as frauds.
        correction_days: time from a wrong label to its correction, a second revision.
    """

    median_days: Positive = 5.0
    spread: Positive = 0.35
    longest_days: Positive = 45.0
    missed_share: Share = 0.02
    false_alarm_share: Share = 0.0005
    correction_days: Positive = 10.0


class Drift(Frozen):
    """How the world differs from a day on; days before it are bit for bit the same without it.

    Attributes:
        start: first day that differs, UTC.
        amount_factor: inflation of all amounts. Scenario 1 looks at the amount before inflation,
            so that inflation alone moves the features and not the share of frauds.
        hour_shift: all times of day move by so many hours, round the clock.
        testers_per_day: a new fraud pattern, card testing: each day so many users' cards are tried
            with a burst of small payments at night, at merchants anywhere.
        tests_per_card: payments in one burst, within ten minutes.
    """

    start: date
    amount_factor: Positive = 1.0
    hour_shift: Annotated[float, Field(gt=-24, lt=24)] = 0.0
    testers_per_day: Count = 0
    tests_per_card: Annotated[int, Field(ge=1, le=100)] = 6


class SimulationSettings(Frozen):
    """The simulated world.

    The defaults give about 9,700 transactions a day of which, once the first four weeks are over,
    about 0.9 % are frauds.

    Attributes:
        seed: of every random stream.
        start: first day, UTC.
        days: how many days there are. A longer range begins with the very same days.
        users: number of users.
        merchants: number of merchants.
        currency: of all amounts.
        side: the world is a square with sides of this length.
        radius: a user shops at merchants within this distance of home, or at the nearest one.
        mean_amounts: range of the users' mean amounts, uniform, major units; the standard
            deviation is half the mean.
        daily_rates: range of the users' mean number of transactions a day, uniform.
        hours_around: mean time of day, in hours.
        hours_spread: its standard deviation, in hours; what falls outside the day does not happen.
        joining_share: share of the users who join after the start, evenly over 180 days.
        segments: kinds of users.
        fraud: the fraud scenarios.
        labels: the late labels.
        drift: what changes and when; none by default.
    """

    seed: Annotated[int, Field(ge=0)] = 7
    start: date = date(2024, 1, 1)
    days: Annotated[int, Field(ge=1, le=3660)] = 120
    users: Annotated[int, Field(ge=1, le=10_000_000)] = 5_000
    merchants: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    currency: Currency = "EUR"
    side: Positive = 100.0
    radius: Positive = 5.0
    mean_amounts: tuple[Positive, Positive] = (5.0, 100.0)
    daily_rates: tuple[Annotated[float, Field(ge=0)], Positive] = (0.0, 4.0)
    hours_around: Annotated[float, Field(ge=0, le=24)] = 12.0
    hours_spread: Positive = 20_000 / 3_600
    joining_share: Share = 0.02
    segments: Annotated[tuple[Segment, ...], Field(min_length=1)] = (
        Segment(name="standard", share=0.7),
        Segment(name="student", share=0.2, amount_factor=0.8, rate_factor=1.1),
        Segment(name="premium", share=0.1, amount_factor=1.1, rate_factor=1.0),
    )
    fraud: FraudScenarios = FraudScenarios()
    labels: LateLabels = LateLabels()
    drift: Drift | None = None
