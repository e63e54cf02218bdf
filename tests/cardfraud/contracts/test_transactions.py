from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.contracts.transactions import (
    Transaction,
    parse_transaction,
    to_microseconds,
    transaction_faults,
)
from cardfraud.errors import InvalidField
from tests.support.transactions import record

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_a_good_record_is_understood() -> None:
    """A record as in the documentation becomes a transaction with exact cents and UTC."""
    transaction = parse_transaction(record(event_time="2024-03-01T14:00:00.000001+02:00"))
    assert transaction.amount_minor == 5_716
    assert transaction.event_time == datetime(2024, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
    assert transaction.event_time.utcoffset() == timedelta(0)
    assert transaction.event_time_us == 1_709_294_400_000_001
    assert transaction.segment is None


@given(st.integers(0, 100_000_000))
def test_cents_survive_json(cents: int) -> None:
    """Every amount of whole cents, as a JSON number or a text, comes back as the same cents."""
    amount = Decimal(cents) / 100
    assert parse_transaction(record(amount=float(amount))).amount_minor == cents
    assert parse_transaction(record(amount=f"{amount:.2f}")).amount_minor == cents


@given(st.datetimes(datetime(1990, 1, 1), datetime(2110, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_times_keep_their_microseconds(local: datetime, minutes: int) -> None:
    """A time with any offset keeps every microsecond, or is refused when it is out of range."""
    moment = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    outcome = transaction_faults(record(event_time=moment.isoformat()))
    inside = datetime(2000, 1, 1, tzinfo=UTC) <= moment < datetime(2100, 1, 1, tzinfo=UTC)
    assert isinstance(outcome, Transaction) == inside
    if isinstance(outcome, Transaction):
        assert outcome.event_time == moment
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        assert outcome.event_time_us == (moment - epoch) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", float("nan")),
        ("amount", float("inf")),
        ("amount", -0.01),
        ("amount", 1_000_000.01),
        ("amount", 1.005),
        ("amount", True),
        ("amount", None),
        ("amount", "twelve"),
        ("amount", "1_0"),
        ("amount", "\u0661"),
        ("amount", "1e2"),
        ("event_time", "2024-03-01T12:00:00"),
        ("event_time", "2024-02-30T12:00:00Z"),
        ("event_time", "2024-03-01T12:00:00.0000001Z"),
        ("event_time", "2024-03-01 12:00:00,1234567+02:00"),
        ("event_time", "yesterday"),
        ("event_time", 1_709_294_400),
        ("event_time", None),
        ("event_time", "0001-01-01T00:00:00+14:00"),
        ("event_time", "9999-12-31T23:59:59-14:00"),
        ("event_time", datetime(2024, 3, 1)),  # noqa: DTZ001
        ("user_id", ""),
        ("user_id", " u"),
        ("user_id", "u\n"),
        ("user_id", "x" * 65),
        ("user_id", "Zo\u00eb"),
        ("user_id", 596),
        ("user_id", "4111 1111-1111 1111"),
        ("merchant_id", "5500000000000004"),
        ("transaction_id", "378282246310005"),
        ("currency", "eur"),
        ("currency", "JPY"),
        ("segment", ""),
        ("segment", "x" * 65),
        ("colour", "red"),
    ],
)
def test_a_bad_field_is_named(field: str, value: Any) -> None:
    """A record with one bad field is refused by an error that names the field and its index."""
    with pytest.raises(InvalidField) as caught:
        parse_transaction(record(**{field: value}), index=3)
    assert caught.value.field == field
    assert caught.value.index == 3


@pytest.mark.parametrize(
    "field", ["transaction_id", "event_time", "user_id", "merchant_id", "amount"]
)
def test_a_missing_field_is_named(field: str) -> None:
    """A record without a required field is refused by an error that names it."""
    incomplete = record()
    del incomplete[field]
    with pytest.raises(InvalidField, match=field):
        parse_transaction(incomplete)


def test_every_fault_is_told() -> None:
    """A record with three bad fields has three faults, in one answer."""
    faults = transaction_faults(record(amount=-1, user_id="", merchant_id=7))
    assert not isinstance(faults, Transaction)
    assert {fault.field for fault in faults} == {"amount", "user_id", "merchant_id"}


@pytest.mark.parametrize("many", [8, 11, 80_000])
def test_any_number_of_unknown_fields_is_told_in_a_few_faults(many: int) -> None:
    """The first ten by name, how many more there are, and what is wrong with the known fields."""
    unknown = {f"k{number}": number for number in range(many)}
    faults = transaction_faults(unknown | record(amount=-1))
    assert not isinstance(faults, Transaction)
    told = {fault.field: fault.reason for fault in faults}
    assert len(told) == len(faults) <= 12
    assert set(told) - {"", "amount"} == set(list(unknown)[:10])
    assert told.get("", "0 ").split()[0] == str(max(0, many - 10))
    assert "amount" in told


def test_the_value_is_never_repeated() -> None:
    """A refused card number stands neither in the message nor in the reason."""
    number = "4111111111111111"
    with pytest.raises(InvalidField) as caught:
        parse_transaction(record(user_id=number))
    assert number not in str(caught.value)
    assert number not in caught.value.reason


@pytest.mark.parametrize("field", ["transaction_id", "user_id", "merchant_id", "segment"])
def test_no_text_of_a_record_may_hold_a_card_number(field: str) -> None:
    """A card number after a prefix is refused in every identifier and in the segment."""
    faults = transaction_faults(record(**{field: "card:4111.1111.1111.1111"}))
    assert isinstance(faults, list)
    assert [(fault.field, fault.reason.split(";")[0]) for fault in faults] == [
        (field, "looks like a card number")
    ]


def test_a_long_field_name_is_cut() -> None:
    """An unknown field with a name of a million characters gives a short error."""
    with pytest.raises(InvalidField) as caught:
        parse_transaction(record(**{"x" * 1_000_000: 1}))
    assert len(caught.value.field) <= 100
    assert len(caught.value.message) <= 500


@given(json_values)
def test_any_json_gives_a_transaction_or_faults(value: Any) -> None:
    """Whatever JSON value comes as a record, the answer is faults and never another error."""
    outcome = transaction_faults(value)
    assert isinstance(outcome, list)
    assert outcome


@given(
    st.sampled_from(["transaction_id", "event_time", "user_id", "amount", "currency", "segment"]),
    json_values,
)
def test_any_json_in_a_field_gives_a_transaction_or_its_fault(field: str, value: Any) -> None:
    """Whatever JSON value stands in a field, that field alone is at fault, if anything is."""
    outcome = transaction_faults(record(**{field: value}))
    if not isinstance(outcome, Transaction):
        assert {fault.field.split(".")[0] for fault in outcome} == {field}


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_microseconds_are_exact(moment: datetime) -> None:
    """The microseconds of a time since 1970 give the same time back, before 1970 too."""
    assert (
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=to_microseconds(moment)) == moment
    )


def test_a_wrong_time_hides_no_other_fault() -> None:
    """Every fault of a record is told, and what is no time is not told to need an offset."""
    faults = transaction_faults(
        {"transaction_id": "x", "event_time": "yesterday", "user": "u1", "amount": float("nan")}
    )
    assert isinstance(faults, list)
    assert {fault.field for fault in faults} == {
        "event_time", "user", "user_id", "merchant_id", "amount",
    }  # fmt: skip
    assert "ISO 8601" in faults[0].reason
    offset = transaction_faults(
        {"transaction_id": "x", "event_time": "2026-08-30", "user_id": "u", "merchant_id": "m",
         "amount": -5.001}
    )  # fmt: skip
    assert isinstance(offset, list)
    assert [fault.field for fault in offset] == ["event_time", "amount"]
    assert "offset" in offset[0].reason
