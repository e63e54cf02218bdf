import hashlib
import random
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.contracts.card_numbers import looks_like_card_number
from tests.support.card_numbers import KNOWN, holds_card_number, luhn_digit, random_text

NUMBER = "4111111111111111"


@given(st.text("0123456789", min_size=12, max_size=18))
def test_card_numbers_are_found_by_their_check_digit(digits: str) -> None:
    """13 to 19 digits look like a card number with the right last digit and with no other."""
    right = luhn_digit(digits)
    assert looks_like_card_number(digits + right)
    assert not looks_like_card_number(digits + str((int(right) + 1) % 10))


@pytest.mark.parametrize(
    "text",
    [
        "4111-1111-1111-1111",
        "4111 1111 1111 1111",
        "4111  1111  1111  1111",
        "41 11111--1111111\t11",
        "4111.1111.1111.1111",
        "4111_1111/1111:1111",
        "4.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1",
        "4111\u00a01111\u20091111\u30001111",
        "4111\u20111111\u20131111\u22121111",
        "4111\u200b1111\u00ad1111\ufeff1111",
        "".join(chr(0xFF10 + int(digit)) for digit in NUMBER),
        "".join(chr(0x0660 + int(digit)) for digit in NUMBER),
        "".join(chr(0x1D7CE + int(digit)) for digit in NUMBER),
        "\u2074" + "\u00b9" * 15,
        "".join(f"{digit}\u0332" for digit in NUMBER),
        "card:4111111111111111",
        "PAN 4111 1111 1111 1111",
        "pan=4111-1111-1111-1111 (visa)",
        "4111111111111111=25121010000012345678",
        "4111111111111111|12|2025|123",
        "4111111111111111-2",
        "4111111111111111@shop.example",
        "amex 3782 822463 10005",
        "x  4111  1111  1111  1111  x",
        "abc_4111-1111-1111-1111-abcdefghijkl",
    ],
)
def test_no_dress_hides_a_card_number(text: str) -> None:
    """Signs between, other digits, a prefix or a suffix do not hide a card number."""
    assert looks_like_card_number(text)


@pytest.mark.parametrize("number", KNOWN)
def test_the_schemes_numbers_are_known_after_a_prefix(number: str) -> None:
    """A number of each scheme is found after a prefix; with another check digit it is not."""
    assert looks_like_card_number(f"card:{number}")
    assert not looks_like_card_number(f"card:{number[:-1]}{(int(number[-1]) + 1) % 10}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "411111111111",
        "41111111111111110000",
        "u4111111111111111",
        "4111111111111111b",
        "a4111111111111111b",
        "\u00e94111111111111111",
        "card:4111111111111112",
        "card:1000000000000008",
        "gln:4012345000009",
        "imei:356938035643809",
        "c-41234567-20180805",
        "u-4111-1111-1111-1111-1111",
        "2018-08-08T12:00:00.123456Z",
        "192.168.100.101:4443",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "41111111-1111-1111-1111-111111111111",
        "urn:uuid:41111111-1111-4111-8111-111111111111",
    ],
)
def test_other_identifiers_are_no_card_numbers(text: str) -> None:
    """Too few digits or too many, a letter beside them, other numbers and UUIDs are none."""
    assert not looks_like_card_number(text)


def test_usual_identifiers_are_never_refused() -> None:
    """UUIDs, digests, dates with counts and clocks' counts after a prefix: 20,000 of each pass."""
    chance = random.Random(7)
    refused: list[str] = []
    for number in range(20_000):
        moment = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(3 * 10**9))
        texts = [
            str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            hashlib.sha256(str(number).encode()).hexdigest(),
            hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest(),
            f"t-{moment:%Y%m%d}-{number:09d}",
            f"t_{moment:%Y-%m-%d}_{number:06d}",
            f"evt:{moment.timestamp():.6f}",
            f"evt:{int(moment.timestamp() * 1e3)}-{number % 100:02d}",
        ]
        refused += [text for text in texts if looks_like_card_number(text)]
    assert refused == []


@pytest.mark.parametrize("seed", range(3))
def test_the_rule_is_kept_to_the_letter(seed: int) -> None:
    """On 10,000 texts of many patterns the quick rule says what its slow second account says."""
    chance = random.Random(seed)
    texts = [random_text(chance) for _ in range(10_000)]
    expected = [holds_card_number(text) for text in texts]
    found = [looks_like_card_number(text) for text in texts]
    differing = [text for text, one, two in zip(texts, expected, found, strict=True) if one != two]
    assert differing == []
    assert 1_000 < sum(expected) < 6_000


@given(st.text(st.characters(exclude_categories=[]), max_size=80))
def test_any_text_is_judged(text: str) -> None:
    """Whatever the text, signs that are no characters included, the rule gives its answer."""
    assert looks_like_card_number(text) == holds_card_number(text)


def test_long_texts_cost_no_more_than_their_length() -> None:
    """Texts of 200,000 signs made to be hard are judged, and hold no card number."""
    for piece in ("4111 ", "4-", "41111111111111", "-2 ", "4111111111111111a-", "-\u0664 "):
        assert not looks_like_card_number(piece * (200_000 // len(piece)) + "z")
