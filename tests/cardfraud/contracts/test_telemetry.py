from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from cardfraud.contracts.telemetry import PREDICTION_COLUMNS, PredictionRecord, hashed


def test_columns_are_the_records_fields() -> None:
    """The log's columns are the schema version and the record's fields, in their order."""
    names = [field.name.removesuffix("_us") for field in fields(PredictionRecord)]
    assert list(PREDICTION_COLUMNS) == ["schema_version", *names]


def test_a_hash_needs_the_key() -> None:
    """One identifier has one hash a key, and another key gives another hash."""
    assert hashed("u1", b"key") == hashed("u1", b"key")
    assert hashed("u1", b"key") != hashed("u1", b"other key")
    assert hashed("u1", b"key") != hashed("u2", b"key")


def test_a_hash_is_hmac_sha_256() -> None:
    """The hash is the beginning of test case 2 of RFC 4231."""
    assert hashed("what do ya want for nothing?", b"Jefe") == "5bdcc146bf60754e6a042426089575c7"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=4), st.binary(min_size=1))
def test_a_hash_never_shows_the_identifier(identifier: str, key: bytes) -> None:
    """A hash is 32 hexadecimal digits, whatever goes in."""
    text = hashed(identifier, key)
    assert len(text) == 32
    assert set(text) <= set("0123456789abcdef")
