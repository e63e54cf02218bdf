import random
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.adapters.sources import Columns, Mapping
from cardfraud.adapters.sources.conversion import convert
from cardfraud.contracts.card_numbers import looks_like_card_number
from cardfraud.contracts.transactions import Transaction, transaction_faults
from cardfraud.steps.validate import ValidateConfig
from cardfraud.steps.validate.schema import card_numbers, row_faults, transaction_schema
from tests.support.card_numbers import holds_card_number, random_text
from tests.support.transactions import NOON, transactions

NOW = datetime(2099, 12, 31, tzinfo=UTC)
CONFIG = ValidateConfig(now=NOW)
MAPPING = Mapping(
    columns=Columns(
        transaction_id="transaction_id",
        event_time="event_time",
        user_id="user_id",
        merchant_id="merchant_id",
        amount="amount",
        currency="currency",
        segment="segment",
    )
)


def reasons(rows: pl.DataFrame, config: ValidateConfig = CONFIG) -> dict[int, str]:
    """Return the reason of every row at fault."""
    return dict(row_faults(rows, transaction_schema(config)).iter_rows())


def test_good_rows_have_no_faults() -> None:
    """Good rows have no fault: an amount of zero, the largest one, a null segment included."""
    rows = transactions([{"amount_minor": 0}, {"amount_minor": 100_000_000}, {"segment": "new"}])
    assert reasons(rows) == {}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("transaction_id", None, "transaction_id: missing"),
        ("event_time", None, "event_time: missing"),
        ("user_id", None, "user_id: missing"),
        ("merchant_id", None, "merchant_id: missing"),
        ("amount_minor", None, "amount_minor: missing"),
        ("currency", None, "currency: missing"),
        ("transaction_id", "x" * 65, "transaction_id: longer than 64 characters"),
        ("user_id", "", "user_id: not printable ASCII, or a blank at an end"),
        ("user_id", "u ", "user_id: not printable ASCII, or a blank at an end"),
        ("user_id", "u\n", "user_id: not printable ASCII, or a blank at an end"),
        ("merchant_id", "4111 1111 1111 1111", "merchant_id: looks like a card number"),
        ("amount_minor", -1, "amount_minor: not in 0 to 1000000"),
        ("amount_minor", 100_000_001, "amount_minor: not in 0 to 1000000"),
        ("currency", "USD", "currency: not EUR"),
        ("segment", "", "segment: empty, or too long"),
        ("segment", "card:4111.1111.1111.1111", "segment: looks like a card number"),
        ("event_time", datetime(1999, 12, 31, tzinfo=UTC), "event_time: not in 2000-01-01"),
        ("event_time", datetime(2100, 1, 1, tzinfo=UTC), "event_time: not in 2000-01-01"),
    ],
)
def test_each_rule_has_its_reason(column: str, value: Any, reason: str) -> None:
    """A row that breaks one rule is found with the reason, and its neighbours are not."""
    found = reasons(transactions([{}, {column: value}, {}]))
    assert list(found) == [1]
    assert reason in found[1]


def test_a_row_has_all_its_reasons() -> None:
    """A row that breaks three rules has three reasons."""
    found = reasons(transactions([{"user_id": "", "amount_minor": -1, "currency": "USD"}]))
    assert len(found[0].split("; ")) == 3


def test_the_future_is_relative_to_now() -> None:
    """An event later than now and the allowance is in the future; one at its edge is not."""
    config = ValidateConfig(now=NOON, clock_allowance=timedelta(minutes=5))
    rows = transactions(
        [
            {"event_time": NOON + timedelta(minutes=5)},
            {"event_time": NOON + timedelta(minutes=5, microseconds=1)},
        ]
    )
    assert reasons(rows, config) == {1: "event_time: in the future"}


@given(
    st.lists(
        st.none()
        | st.text("0123456789- .:a\t\u00a0\uff11\u0661", max_size=24)
        | st.text("0123456789", min_size=13, max_size=19)
        | st.sampled_from(["4111111111111111", "5500-0000-0000-0004", "378282246310005"]),
        max_size=30,
    )
)
def test_card_numbers_are_found_as_in_single_records(texts: list[str | None]) -> None:
    """Whole columns and single records tell card numbers by one and the same rule."""
    found = card_numbers(pl.Series(texts, dtype=pl.String))
    assert found.to_list() == [None if t is None else looks_like_card_number(t) for t in texts]


@pytest.mark.parametrize("seed", range(3))
def test_a_column_of_many_texts_is_judged_as_one_by_one(seed: int) -> None:
    """Of 10,000 texts of many patterns a column finds those that the letter of the rule names."""
    chance = random.Random(seed + 100)
    texts = [random_text(chance) for _ in range(10_000)]
    found = card_numbers(pl.Series(texts)).to_list()
    expected = [holds_card_number(text) for text in texts]
    differing = [text for text, one, two in zip(texts, expected, found, strict=True) if one != two]
    assert differing == []
    assert 1_000 < sum(expected) < 6_000


IDENTIFIERS = ["u2", "x" * 64, "x" * 65, "", " u", "u\n", "Zo\u00eb", "a b", "4111111111111111"]
AMOUNTS = [0, 0.01, 1e6, 1e6 + 0.01, -0.01, 1.005, 57.161, float("nan"), float("inf"), -1e300]
TIMES = [
    "2000-01-01T00:00:00Z",
    "1999-12-31T23:59:59.999999Z",
    "2000-01-01T00:30:00+01:00",
    "2099-12-31T00:00:00-00:00",
    "2100-01-01T00:00:00Z",
    "2024-02-30T12:00:00Z",
    "2024-03-01 12:00:00.000001+05:30",
    "2024-03-01T12:00:00.1234567Z",
    "noon",
]


def random_record(chance: random.Random, number: int) -> dict[str, Any]:
    """Return a record of which about a third of the fields are unusual, good or bad."""

    def pick(usual: Any, unusual: list[Any]) -> Any:
        return chance.choice(unusual) if chance.random() < 0.15 else usual

    digits = "".join(chance.choices("0123456789", k=chance.randint(12, 20)))
    return {
        "transaction_id": pick(f"t{number}", [f"{number} ", f"{number}{'x' * 64}", None]),
        "event_time": pick("2024-03-01T12:00:00Z", TIMES),
        "user_id": pick("u1", [*IDENTIFIERS, digits]),
        "merchant_id": pick("m1", [*IDENTIFIERS, digits, random_text(chance)[:70]]),
        "amount": pick(chance.randint(0, 10_000) / 100, AMOUNTS),
        "currency": pick("EUR", ["eur", "XXX", ""]),
        "segment": pick(None, ["new", "", "x" * 65, "Zo\u00eb", random_text(chance)[:70]]),
    }


@pytest.mark.parametrize("seed", range(3))
def test_tables_and_single_records_agree(seed: int) -> None:
    """A record passes as a row of a table when, and only when, it passes as a single record."""
    chance = random.Random(seed)
    documents = [random_record(chance, number) for number in range(2_000)]
    single = [isinstance(transaction_faults(document), Transaction) for document in documents]
    schema = {name: pl.Float64 if name == "amount" else pl.String for name in documents[0]}
    converted = convert(pl.DataFrame(documents, schema=schema), MAPPING, "records")
    rejected = set(converted.rejects["row"])
    expressible = [row for row in range(len(documents)) if row not in rejected]
    faulty = {expressible[index] for index in reasons(converted.transactions)}
    table = [row not in rejected | faulty for row in range(len(documents))]
    differing = [documents[row] for row in range(len(documents)) if table[row] != single[row]]
    assert differing == []
    assert 500 < sum(single) < 1_500


def test_a_column_of_long_numbers_is_judged() -> None:
    """Long numbers that fail the check digit pass as identifiers, row by row."""
    numbers = [str(10**15 + n) for n in range(1_000)]
    found = reasons(transactions([{"user_id": number} for number in numbers]))
    assert set(found) == {n for n, text in enumerate(numbers) if looks_like_card_number(text)}
    assert 50 < len(found) < 150
