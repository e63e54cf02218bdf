"""Whole tables against the loops of the oracle."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.features import batch, values
from cardfraud.features.definitions import FEATURE_NAMES, STORED_VIEWS
from tests.cardfraud.features import oracle
from tests.cardfraud.features.oracle import DAY, HOUR, MINUTE, START, Payment, Report
from tests.cardfraud.features.strategies import LARGEST, payments, reports

NO_LABELS = oracle.labels_frame([])


def table_values(rows: list[Payment], labels: list[Report] | None = None) -> dict[str, list[float]]:
    """Return the values of every view as lists in the order of ``rows``."""
    computed = batch.all_values(oracle.transactions_frame(rows), oracle.labels_frame(labels or []))
    return {name: array.tolist() for name, array in computed.items()}


def pay(time_us: int, amount: int = 1000, name: str = "") -> Payment:
    """Return a transaction of one user at one merchant."""
    return Payment(name or f"t{time_us}", time_us, "a", "x", amount)


def last(rows: list[Payment], name: str) -> float:
    """Return one value of the last row."""
    return table_values(rows)[name][-1]


def close(name: str, ours: float, theirs: float) -> bool:
    """Compare to the last bit, but for the deviation, which the oracle takes another way to."""
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    if name in {"std_amount", "amount_zscore"}:
        return math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=0.05)
    return ours == theirs


@given(payments())
def test_user_values_are_those_of_plain_loops(rows: list[Payment]) -> None:
    """Every user feature of every row is what a loop over the earlier rows gives, bit for bit."""
    ours = table_values(rows)
    for position, now in enumerate(rows):
        for name, expected in oracle.user_values(rows, now).items():
            assert close(name, ours[name][position], expected), (name, now)


@given(st.data())
def test_merchant_values_are_those_of_plain_loops(data: st.DataObject) -> None:
    """Every merchant feature is what a loop over days and revisions gives, bit for bit."""
    rows = data.draw(payments())
    labels = data.draw(reports(rows))
    ours = table_values(rows, labels)
    for position, now in enumerate(rows):
        for name, expected in oracle.merchant_values(rows, labels, now).items():
            assert close(name, ours[name][position], expected), (name, now)


@given(payments(most=12))
def test_on_demand_values_are_those_of_plain_arithmetic(rows: list[Payment]) -> None:
    """On-demand features follow from the request and from what 32 bits keep of stored values."""
    ours = table_values(rows)
    for position, now in enumerate(rows):
        user = {
            name: float(np.float32(ours[name][position])) for name in oracle.user_values(rows, now)
        }
        for name, expected in oracle.on_demand_values(user, now).items():
            got = ours[name][position]
            assert (math.isnan(got) and math.isnan(expected)) or got == expected, (name, now)


@given(payments(), st.randoms())
def test_the_order_of_the_rows_does_not_matter(rows: list[Payment], random: object) -> None:
    """A shuffled table gives every transaction the same values."""
    shuffled = sorted(rows, key=lambda _: random.random())  # type: ignore[attr-defined]
    one, other = table_values(rows), table_values(shuffled)
    places = [shuffled.index(row) for row in rows]
    for name, column in one.items():
        assert np.array_equal(column, np.array(other[name])[places], equal_nan=True), name


@pytest.mark.parametrize(
    ("name", "days"), [("user_count_7d", 7), ("user_count_30d", 30), ("total_transactions", 90)]
)
def test_the_day_tile_at_the_oldest_edge_counts_whole(name: str, days: int) -> None:
    """The first moment of the UTC day that holds t - w counts; the one before it does not."""
    now = START + 100 * DAY + 13 * HOUR
    edge = START + (100 - days) * DAY
    assert last([pay(edge), pay(now)], name) == 1
    assert last([pay(edge - 1), pay(now)], name) == 0


def test_the_hour_tile_at_the_oldest_edge_counts_whole() -> None:
    """The one-day window begins with the UTC hour that holds t - 24 h."""
    now = START + 3 * DAY + 13 * HOUR + 59 * MINUTE
    edge = START + 2 * DAY + 13 * HOUR
    assert last([pay(edge), pay(now)], "user_count_1d") == 1
    assert last([pay(edge - 1), pay(now)], "user_count_1d") == 0


@pytest.mark.parametrize("minutes", [5, 10])
def test_minute_windows_are_exact_at_the_oldest_edge(minutes: int) -> None:
    """A transaction exactly w minutes ago counts, one a microsecond older does not."""
    now = START + 7 * HOUR + 123_457
    name = f"transactions_last_{minutes}min"
    assert last([pay(now - minutes * MINUTE), pay(now)], name) == 1
    assert last([pay(now - minutes * MINUTE - 1), pay(now)], name) == 0


def test_the_newest_edge_is_the_transaction_itself() -> None:
    """What happens a microsecond later, or at the same moment under a larger id, is not seen."""
    now = pay(START, name="m")
    for other, count in (
        (pay(START - 1, name="z"), 1),
        (pay(START, name="a"), 1),
        (pay(START, name="z"), 0),
        (pay(START + 1, name="a"), 0),
    ):
        assert last([other, now], "total_transactions") == count
        assert last([other, now], "transactions_last_5min") == count


def test_ids_break_ties_as_text() -> None:
    """Of two transactions at one moment, "10" comes before "9"."""
    rows = [pay(START, name="9"), pay(START, name="10")]
    assert table_values(rows)["total_transactions"] == [1, 0]


@pytest.mark.parametrize("count", [31, 32, 33, 40])
def test_minute_windows_see_at_most_32_transactions(count: int) -> None:
    """The latest 32 count and the older ones do not, in count, sum and mean alike."""
    rows = [pay(START + n, amount=100 * 2**20 if n < count - 32 else 100) for n in range(count)]
    rows.append(pay(START + count))
    seen = min(count, 32)
    assert last(rows, "transactions_last_5min") == seen
    assert last(rows, "total_spent_last_5min") == seen
    assert last(rows, "avg_amount_last_10min") == 1
    assert last(rows, "total_transactions") == count


def test_no_deviation_below_two_transactions() -> None:
    """The sample deviation (ddof 1) of 10.00 and 20.00 is sqrt(50); of one it is missing."""
    rows = [pay(START, 1000), pay(START + 1, 2000), pay(START + 2)]
    one, two, three = table_values(rows)["std_amount"]
    assert math.isnan(one)
    assert math.isnan(two)
    assert three == pytest.approx(math.sqrt(50), rel=1e-15)


def test_sums_of_the_largest_amounts_are_exact() -> None:
    """1,844 transactions of 1,000,000.00 still fit the integers; their deviation is nil."""
    count = 1844
    rows = [pay(START + n, LARGEST, f"t{n:04}") for n in range(count)]
    rows.append(pay(START + count))
    computed = table_values(rows)
    assert computed["total_spent"][-1] == count * 1_000_000
    assert computed["avg_amount"][-1] == 1_000_000
    assert computed["std_amount"][-1] == pytest.approx(0, abs=0.05)


def test_a_cent_among_the_largest_amounts_is_not_lost() -> None:
    """Sums are of whole minor units, so a cent beside a hundred millions stays."""
    rows = [pay(START + n, LARGEST, f"t{n:03}") for n in range(100)]
    rows += [pay(START + 100, 1, "u"), pay(START + 101, 1, "v")]
    assert last(rows, "total_spent") == 100_000_000.01


@given(st.lists(st.integers(0, LARGEST), min_size=1, max_size=150))
def test_extremes_over_every_length(amounts: list[int]) -> None:
    """Smallest and largest are right for each number of earlier transactions up to 149."""
    rows = [pay(START + n * MINUTE, amount, f"t{n:03}") for n, amount in enumerate(amounts)]
    computed = table_values(rows)
    for n in range(1, len(amounts)):
        assert computed["min_amount"][n] == min(amounts[:n]) / 100
        assert computed["max_amount"][n] == max(amounts[:n]) / 100


def test_an_empty_table_has_columns_of_no_rows() -> None:
    """No transactions give every feature an empty column."""
    computed = batch.all_values(oracle.transactions_frame([]), NO_LABELS)
    assert set(computed) == set(FEATURE_NAMES)
    assert {len(column) for column in computed.values()} == {0}


@given(payments(most=8))
def test_the_offline_frame_gives_the_vector_back(rows: list[Payment]) -> None:
    """Values that went through the offline store's float32 columns make the same vector."""
    frame = oracle.transactions_frame(rows)
    stored = batch.stored_values(frame, NO_LABELS)
    for view in STORED_VIEWS:
        kept = batch.view_frame(view, stored, frame)
        assert kept.columns[:2] == ["transaction_id", "event_timestamp"]
        back = batch.vector_from_frame(kept, [feature.name for feature in view.features])
        for name, column in back.items():
            assert kept.schema[name] == pl.Float32
            assert np.array_equal(column, stored[name].astype(np.float32), equal_nan=True)


def test_the_vector_has_defaults_where_values_are_missing() -> None:
    """The first transaction of a user gets 91 days since the last one and 0 elsewhere.

    Its merchant, which nobody has seen either, gets one day more than its window reaches back.
    """
    rows = [pay(START + DAY + 12 * HOUR, 1250)]
    matrix = values.vector(batch.all_values(oracle.transactions_frame(rows), NO_LABELS))
    assert matrix.dtype == np.float32
    row = dict(zip(FEATURE_NAMES, matrix[0].tolist(), strict=True))
    given_by_request = {"amount": 12.5, "hour_of_day": 12.0, "day_of_week": 1.0}
    longest_ago = {"days_since_last": 91.0, "merchant_days_since_nonfraud": 38.0}
    assert row == dict.fromkeys(FEATURE_NAMES, 0.0) | given_by_request | longest_ago


def test_vectors_of_many_rows_equal_vectors_of_each() -> None:
    """Rows beyond one block of work come out as if each had been asked for alone."""
    many = 10_000
    random = np.random.default_rng(5)
    columns = {
        name: np.where(random.random(many) < 0.2, np.nan, random.normal(size=many))
        for name in FEATURE_NAMES
    }
    matrix = values.vector(columns)
    assert matrix.shape == (many, len(FEATURE_NAMES))
    for position in (0, 4095, 4096, 8191, 8192, many - 1):
        alone = values.vector({name: c[position : position + 1] for name, c in columns.items()})
        assert np.array_equal(matrix[position], alone[0])
