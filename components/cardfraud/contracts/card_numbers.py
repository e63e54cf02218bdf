"""Telling a card number (PAN) in a text that should be an opaque identifier.

A number is searched for in two ways, for a text of nothing else and for one inside other text:

- *Bare*: but for blanks and dashes, however many, the text is 13 to 19 digits. It is a card number
  when Luhn's check (ISO/IEC 7812-1, annex B) holds, whoever may have issued it.
- *Dressed*: somewhere in the text stand digits that no letter or other digit touches, such as
  ``card:4111111111111111``. They are a card number when Luhn's check holds, they begin and are as
  long as the numbers of the card schemes, and they are written in one block or as cards show them:
  in groups of one to four digits of which only the last may be shorter, or as 4-6-5, 4-6-4 or
  6-13, with one or two signs between the groups and no further group beside them.

Digits of every script count, and full-width or raised forms; so do all blanks, dashes and invisible
signs of Unicode; accents and other marks are passed over.

Not meant are digits that touch a letter (``a4111111111111111b``, hexadecimal digests, ULIDs) and
UUIDs; a date or a clock's count after a prefix (``t-20180808-000000123``), since no scheme's
numbers begin so; and, dressed, 13 digits, which schemes issue no more and trade numbers (GTIN, GLN)
have. About one in 27 random numbers of 16 digits after a prefix is taken for a card number, and one
in ten bare ones: identifiers are best given a letter in front of their digits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_SHORTEST: Final = 13
_LONGEST: Final = 19
_CUSTOMARY: Final = ((4, 6, 5), (4, 6, 4), (6, 13))
_LARGEST_EQUAL: Final = 4

_BARE: Final = re.compile(r"[\x00- -]*+[0-9](?:[\x00- -]*+[0-9]){12,18}[\x00- -]*\Z")
_GROUP: Final = re.compile(r"[0-9]+")
_STRETCH: Final = re.compile(
    r"(?<![0-9A-Za-z])[0-9]++(?![A-Za-z])(?:[^0-9A-Za-z]{1,2}+[0-9]++(?![A-Za-z]))*+"
)
"""All whole groups of digits that stand beside each other, one or two signs between."""

_ISSUED: Final = re.compile(
    r"4[0-9]{15}(?:[0-9]{3})?"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    r"|3[47][0-9]{13}"  # American Express; above, Mastercard
    r"|(?:30[0-59]|3[689][0-9])[0-9]{11}"  # Diners Club
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|(?:50|5[678]|6[0-9])[0-9]{14,17}"  # Maestro, Discover, UnionPay, RuPay
    r"|220[0-4][0-9]{12,15}"  # Mir
    r"|(?:8[12][0-9]{2}|9792)[0-9]{12}"  # RuPay, Troy
)

_UUID_LENGTH: Final = 36
_UUID: Final = re.compile(r"[0-9A-Za-z]{8}(?:-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}\Z")
_AT_START: Final = re.compile(r"[^A-Za-z]{13}")
_AFTER_SIGN: Final = re.compile(r"[^0-9A-Za-z](?!2[01])[2-9][^A-Za-z]{12}")
"""One of these is in every text with a card number, and they are cheap to look for. No scheme's
numbers begin with 20 or 21, as dates do."""
_VALUES: Final = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED: Final = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))


def looks_like_card_number(text: str) -> bool:
    """Tell whether a card number is or stands in ``text``, as the module says.

    Nearly all identifiers are told apart by the few comparisons at the beginning.
    """
    if not text.isascii():
        return looks_like_card_number(_folded(text))
    length = len(text)
    if length < _SHORTEST or (length == _UUID_LENGTH and _UUID.match(text)):
        return False
    if not (_AFTER_SIGN.search(text) or (text[0] <= "9" and _AT_START.match(text))):
        return False
    if text.isdigit():
        return length <= _LONGEST and _luhn(text)
    if _BARE.match(text) and _luhn("".join(_GROUP.findall(text))):
        return True
    return any(
        _ISSUED.fullmatch(number) and _luhn(number)
        for stretch in _STRETCH.findall(text)
        for number in _numbers(_GROUP.findall(stretch))
    )


def _numbers(groups: list[str]) -> Iterator[str]:
    """Yield what the groups of a stretch may be: each a number, or all of them together."""
    yield from groups
    sizes = tuple(len(group) for group in groups)
    equal = sizes[0] <= _LARGEST_EQUAL and {*sizes[:-1]} == {sizes[0]} and sizes[-1] <= sizes[0]
    if equal or sizes in _CUSTOMARY:
        yield "".join(groups)


def _luhn(number: str) -> bool:
    code = number.encode()
    total = sum(code[-1::-2].translate(_VALUES)) + sum(code[-2::-2].translate(_DOUBLED))
    return total % 10 == 0


def _folded(text: str) -> str:
    """Return ASCII in which digits, letters, blanks and other signs stand for all their forms."""
    return "".join(
        character if character.isascii() else _ascii(character)
        for character in unicodedata.normalize("NFKC", text)
    )


def _ascii(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    return {"M": "", "L": "x", "N": "x", "Z": " ", "C": " "}.get(category[0], ".")
