from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cardfraud.contracts.frames import LABEL_SCHEMA, TRANSACTION_SCHEMA, USER_SCHEMA, require_schema
from cardfraud.errors import InvalidInput
from cardfraud.simulation import (
    Drift,
    FraudScenarios,
    Scenario,
    Segment,
    SimulatedDay,
    SimulationSettings,
    Simulator,
)

START = date(2024, 1, 1)
SMALL = SimulationSettings(start=START, days=5, users=300, merchants=500)


@pytest.fixture(scope="module")
def world() -> list[SimulatedDay]:
    """Return sixty days of a world of a fifth of the default size."""
    settings = SimulationSettings(start=START, days=60, users=1_000, merchants=2_000)
    return list(Simulator(settings).simulate())


@pytest.fixture(scope="module")
def rows(world: list[SimulatedDay]) -> pl.DataFrame:
    """Return all transactions of that world with their scenario."""
    return pl.concat(
        day.transactions.with_columns(scenario=pl.Series(day.scenario)) for day in world
    )


def test_canonical_columns() -> None:
    """Transactions, labels and users have exactly the canonical columns and types."""
    simulator = Simulator(SMALL)
    extract = simulator.read(START)
    require_schema(extract.transactions, TRANSACTION_SCHEMA, "transactions")
    require_schema(extract.labels, LABEL_SCHEMA, "labels")
    require_schema(simulator.users(), USER_SCHEMA, "users")


def test_same_seed_same_rows() -> None:
    """The same settings give the same rows, another seed gives others."""
    first = Simulator(SMALL).day(START)
    assert_frame_equal(first.transactions, Simulator(SMALL).day(START).transactions)
    other = Simulator(SMALL.model_copy(update={"seed": 8})).day(START)
    assert not first.transactions.equals(other.transactions)


def test_longer_range_keeps_earlier_days() -> None:
    """A longer range begins with the very same days, also when they are made out of order."""
    short = list(Simulator(SMALL).simulate())
    longer = Simulator(SMALL.model_copy(update={"days": 40}))
    for day in reversed(short):
        again = longer.day(day.day)
        assert_frame_equal(day.transactions, again.transactions)
        assert_frame_equal(day.labels, again.labels)
        assert (day.scenario == again.scenario).all()


def test_days_differ() -> None:
    """Two days of one world are not the same draws at another date."""
    simulator = Simulator(SMALL)
    first, second = simulator.day(START), simulator.day(START + timedelta(days=1))
    assert first.transactions["amount_minor"].to_list() != (
        second.transactions["amount_minor"].to_list()
    )


def test_a_day_outside_the_range_is_refused() -> None:
    """A day before the first or after the last is refused and the message says the range."""
    with pytest.raises(InvalidInput, match="not one of the 5 simulated days"):
        Simulator(SMALL).day(START + timedelta(days=5))


def test_rows_are_in_order_of_time_and_identifier(rows: pl.DataFrame) -> None:
    """Rows are sorted by event time, identifiers too, and no identifier stands twice."""
    assert rows["event_time"].is_sorted()
    assert rows["transaction_id"].is_sorted()
    assert rows["transaction_id"].is_unique().all()


def test_events_lie_on_their_day(world: list[SimulatedDay]) -> None:
    """Every event of a day lies on that UTC date."""
    for day in world:
        assert day.transactions["event_time"].dt.date().unique().to_list() == [day.day]


def test_volume_and_fraud_share(rows: pl.DataFrame) -> None:
    """Users buy about 1.95 times a day, and the scenarios make 3 to 6 % of that frauds."""
    # Mean rate 2.0 (segments: 2.04), less the 3.1 % of a normal beyond midnight on either side,
    # and the users who have not joined yet.
    per_user = len(rows) / 60 / 1_000
    assert 1.85 < per_user < 2.05
    share = (rows["scenario"] > 0).mean()
    assert isinstance(share, float)
    # A fifth of the default users and merchants, with as many of them compromised a day.
    assert 0.03 < share < 0.06


def test_default_world_looks_like_the_handbook() -> None:
    """With the default settings about 9,700 transactions a day and about 0.8 % frauds appear."""
    simulator = Simulator(SimulationSettings(days=40))
    last = [simulator.day(day) for day in simulator.days()[-5:]]
    volume = np.mean([len(day.transactions) for day in last])
    share = np.mean(np.concatenate([day.scenario for day in last]) > 0)
    assert 9_300 < volume < 10_200
    assert 0.006 < share < 0.012


def test_amounts(rows: pl.DataFrame) -> None:
    """Honest amounts are never negative, mostly below 220, with a mean of about 52."""
    honest = rows.filter(pl.col("scenario") == Scenario.NONE)["amount_minor"]
    assert honest.min() >= 0  # type: ignore[operator]
    assert honest.max() <= 22_000  # type: ignore[operator]
    assert 4_800 < honest.mean() < 5_500  # type: ignore[operator]


def test_hours_are_around_noon(rows: pl.DataFrame) -> None:
    """The time of day has its mean at noon, and far fewer events at night."""
    seconds = (rows["event_time"].dt.hour().cast(pl.Int64) * 3_600).to_numpy()
    assert abs(seconds.mean() + 1_800 - 43_200) < 300
    assert 4.4 * 3_600 < seconds.std() < 5.4 * 3_600


def test_users_shop_near_home(rows: pl.DataFrame) -> None:
    """A user visits few of the merchants: those within the radius, pi * 25 / 10,000 of them."""
    visited = rows.group_by("user_id").agg(pl.col("merchant_id").n_unique())["merchant_id"]
    assert visited.max() < 45  # type: ignore[operator]


def test_scenario_one_is_every_large_amount(world: list[SimulatedDay]) -> None:
    """Every amount above 220 is a fraud, and scenario 1 has no other."""
    for day in world:
        large = day.transactions["amount_minor"].to_numpy() > 22_000
        assert (day.scenario[large] != Scenario.NONE).all()
        assert large[day.scenario == Scenario.LARGE_AMOUNT].all()


def test_scenario_two_lasts_28_days() -> None:
    """A compromised merchant has only frauds for 28 days, and none by this scenario after."""
    fraud = FraudScenarios(users_per_day=0, amount_above=1e6, merchants_per_day=1)
    settings = SimulationSettings(start=START, days=70, users=400, merchants=60, fraud=fraud)
    days = list(Simulator(settings).simulate())
    marked = pl.concat(
        day.transactions.select(
            "merchant_id",
            day=pl.lit((day.day - START).days),
            fraud=pl.Series(day.scenario == Scenario.COMPROMISED_MERCHANT),
        )
        for day in days
    )
    by_day = marked.group_by("merchant_id", "day").agg(
        pl.col("fraud").any(), all=pl.col("fraud").all()
    )
    assert by_day.filter(pl.col("fraud") != pl.col("all")).is_empty()
    known = by_day.filter("fraud").group_by("day").agg(pl.col("merchant_id").n_unique())
    # One more each day, some twice, until the first ones are clean again.
    assert known.filter(pl.col("day") == 0)["merchant_id"].to_list() in ([1], [])
    spans = by_day.filter("fraud").group_by("merchant_id").agg(pl.col("day").n_unique())
    assert 20 < spans["day"].median() < 57  # type: ignore[operator]
    longest = known.filter(pl.col("day") >= 27)["merchant_id"]
    # 28 draws of one merchant of 60 hit 60 * (1 - (59 / 60) ** 28) = 22.5 different ones.
    assert 17 < longest.mean() < 28  # type: ignore[operator]


def test_scenario_three_takes_a_third_of_a_users_transactions() -> None:
    """A thief makes a third of the compromised users' transactions, with five times the amount."""
    fraud = FraudScenarios(merchants_per_day=0, amount_above=1e6, users_per_day=10)
    settings = SimulationSettings(start=START, days=40, users=500, merchants=500, fraud=fraud)
    rows = pl.concat(
        day.transactions.with_columns(stolen=pl.Series(day.scenario == Scenario.STOLEN_CARD))
        for day in Simulator(settings).simulate()
    ).filter(pl.col("event_time").dt.date() >= START + timedelta(days=14))
    # 14 draws of 10 of 500 users: 24.6 % of them are compromised at a time.
    share = rows["stolen"].mean()
    assert isinstance(share, float)
    assert 0.246 / 3 * 0.85 < share < 0.246 / 3 * 1.15
    means = rows.group_by("user_id", "stolen").agg(pl.col("amount_minor").mean())
    pairs = means.filter("stolen").join(means.filter(~pl.col("stolen")), on="user_id")
    ratio = (pairs["amount_minor"] / pairs["amount_minor_right"]).median()
    assert 4.5 < ratio < 5.5  # type: ignore[operator]


def test_scenarios_mix_as_in_the_handbook(rows: pl.DataFrame) -> None:
    """Compromised merchants give most frauds, stolen cards come next, large amounts last."""
    counts = np.bincount(rows["scenario"].to_numpy(), minlength=4)
    assert (
        counts[Scenario.COMPROMISED_MERCHANT]
        > counts[Scenario.STOLEN_CARD]
        > counts[Scenario.LARGE_AMOUNT]
        > 0
    )


def test_segments_matter_mildly(rows: pl.DataFrame) -> None:
    """Students spend less than others, and premium users more, both by less than a third."""
    honest = rows.filter(pl.col("scenario") == Scenario.NONE)
    means = dict(honest.group_by("segment").agg(pl.col("amount_minor").mean()).iter_rows())
    assert set(means) == {"standard", "student", "premium"}
    assert 0.67 < means["student"] / means["standard"] < 0.95
    assert 1.0 < means["premium"] / means["standard"] < 1.33


def test_nobody_buys_before_joining() -> None:
    """No user has a transaction before joining, and some users join after the start."""
    settings = SimulationSettings(start=START, days=50, users=400, merchants=400, joining_share=0.5)
    simulator = Simulator(settings)
    rows = pl.concat(simulator.read(day).transactions for day in simulator.days())
    joined = rows.join(simulator.users(), on="user_id")
    assert (joined["event_time"] >= joined["joined_at"]).all()
    late = simulator.users().filter(pl.col("joined_at").dt.date() > START)
    assert 150 < len(late) < 250


def test_a_lonely_user_goes_to_the_nearest_merchant() -> None:
    """A user without a merchant in the radius still shops, always at the same one."""
    settings = SimulationSettings(start=START, days=10, users=50, merchants=3, radius=0.001)
    rows = pl.concat(day.transactions for day in Simulator(settings).simulate())
    visited = rows.group_by("user_id").agg(pl.col("merchant_id").n_unique())
    assert len(rows) > 500
    assert visited["merchant_id"].to_list() == [1] * len(visited)


def test_segments_need_not_add_up() -> None:
    """Shares of segments are weights: two of weight 3 and 1 give three quarters and one."""
    segments = (Segment(name="a", share=3), Segment(name="b", share=1))
    users = Simulator(SMALL.model_copy(update={"segments": segments, "users": 4_000})).users()
    assert 0.72 < (users["segment"] == "a").mean() < 0.78  # type: ignore[operator]


def test_identifiers_never_look_like_card_numbers(rows: pl.DataFrame) -> None:
    """No identifier is digits only."""
    for name in ("transaction_id", "user_id", "merchant_id"):
        assert not rows[name].str.contains(r"^[0-9 -]+$").any()


def test_zero_merchants_compromised_is_a_world_without_that_fraud() -> None:
    """With every scenario switched off nothing is a fraud."""
    fraud = FraudScenarios(merchants_per_day=0, users_per_day=0, amount_above=1e6)
    days = Simulator(SMALL.model_copy(update={"fraud": fraud})).simulate()
    assert all((day.scenario == Scenario.NONE).all() for day in days)


@pytest.mark.parametrize(
    "drift",
    [
        Drift(start=START + timedelta(days=3), amount_factor=1.4),
        Drift(start=START + timedelta(days=3), hour_shift=6),
        Drift(start=START + timedelta(days=3), testers_per_day=4),
    ],
)
def test_drift_shows_from_its_day_only(drift: Drift) -> None:
    """Days before the drift are bit for bit those of a world without it; later ones are not."""
    still = list(Simulator(SMALL).simulate())
    moved = list(Simulator(SMALL.model_copy(update={"drift": drift})).simulate())
    for before, after in zip(still[:3], moved[:3], strict=True):
        assert_frame_equal(before.transactions, after.transactions)
        assert_frame_equal(before.labels, after.labels)
    for before, after in zip(still[3:], moved[3:], strict=True):
        assert not before.transactions.equals(after.transactions)


def test_inflation_moves_amounts_and_not_frauds() -> None:
    """Inflation multiplies every amount and leaves the truth of each transaction as it was."""
    drift = Drift(start=START, amount_factor=1.5)
    before = Simulator(SMALL).day(START)
    after = Simulator(SMALL.model_copy(update={"drift": drift})).day(START)
    expected = np.rint(before.transactions["amount_minor"].to_numpy() * 1.5)
    assert (after.transactions["amount_minor"].to_numpy() == expected).all()
    assert (before.scenario == after.scenario).all()


def test_card_tests_are_bursts_of_small_amounts_at_night() -> None:
    """The new pattern adds bursts of small fraudulent amounts, at night, within ten minutes."""
    drift = Drift(start=START, testers_per_day=5, tests_per_card=8)
    day = Simulator(SMALL.model_copy(update={"drift": drift})).day(START)
    tests = day.transactions.filter(pl.Series(day.scenario == Scenario.CARD_TEST))
    bursts = tests.group_by("user_id").agg(
        pl.len(), span=pl.col("event_time").max() - pl.col("event_time").min()
    )
    assert bursts["len"].to_list() == [8] * 5
    assert bursts["span"].max() < timedelta(minutes=10)  # type: ignore[operator]
    assert tests["amount_minor"].max() <= 500  # type: ignore[operator]
    assert tests["event_time"].dt.hour().max() < 5  # type: ignore[operator]
