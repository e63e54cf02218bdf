import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.contracts.digests import canonical_json, content_address, sha256_hex

documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4
        )
    ),
    max_leaves=10,
)


def shuffled(value: Any) -> Any:
    """Return the same JSON value with the keys of every object in reverse order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(documents)
def test_one_value_has_one_byte_string(document: Any) -> None:
    """The order of keys doesn't matter, and the bytes give the same value back."""
    encoded = canonical_json(document)
    assert encoded == canonical_json(shuffled(document))
    assert json.loads(encoded) == document


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_lacks_are_refused(value: float) -> None:
    """A number that JSON can't carry is refused instead of written as something else."""
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": value})


def test_addresses_are_sha_256() -> None:
    """A content address is the known SHA-256 of the bytes with its name in front."""
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_hex(b"abc") == known
    assert content_address(b"abc") == f"sha256-{known}"
