import hmac
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from cardfraud.contracts.telemetry import Pseudonyms, hashed


def test_a_hash_needs_the_key() -> None:
    """One identifier has one hash a key, and another key gives another hash."""
    assert hashed("u1", b"key") == hashed("u1", b"key")
    assert hashed("u1", b"key") != hashed("u1", b"other key")
    assert hashed("u1", b"key") != hashed("u2", b"key")


def test_a_hash_is_hmac_sha_256() -> None:
    """The hash is the beginning of test case 2 of RFC 4231."""
    assert hashed("what do ya want for nothing?", b"Jefe") == "5bdcc146bf60754e6a042426089575c7"


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(texts), st.binary(min_size=1, max_size=200))
def test_hashes_are_those_of_the_standard_library(identifiers: list[str], key: bytes) -> None:
    """Whatever the identifiers, and also with keys longer than a block of the hash function."""
    expected = [hmac.new(key, one.encode(), sha256).hexdigest()[:32] for one in identifiers]
    assert Pseudonyms(key).of(identifiers) == expected
