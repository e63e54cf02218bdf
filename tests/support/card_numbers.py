"""Texts with card numbers and texts without, and a slow second account of which is which."""

import random
import re
import unicodedata
import uuid
from typing import Final

KNOWN: Final = (
    "4111111111111111",
    "5500000000000004",
    "2221000000000009",
    "378282246310005",
    "30569309025904",
    "38520000023237",
    "3530111333300000",
    "6011111111111117",
    "6759649826438453",
    "2200000000000004",
    "4000000000000000006",
)
"""Numbers that schemes and acquirers publish for tests, or made by their rules."""

_SIGNS: Final = (
    "-",
    " ",
    "  ",
    ".",
    "\t",
    "_",
    "/",
    ":",
    "--",
    " - ",
    "\u00a0",
    "\u2013",
    "\u200b",
)
_SCRIPTS: Final = ("0", "\uff10", "\u0660", "\u0966", "\U0001d7ce")


def luhn_digit(digits: str) -> str:
    """Return the digit that makes ``digits`` plus it pass the Luhn check."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if position % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return str(-total % 10)


def passes_luhn(number: str) -> bool:
    """Tell whether the last digit of ``number`` is its check digit."""
    return luhn_digit(number[:-1]) == number[-1]


def grouped(number: str, sizes: list[int], sign: str) -> str:
    """Return ``number`` cut into groups of ``sizes``, the last again and again, by ``sign``."""
    groups: list[str] = []
    left = list(sizes)
    while number:
        size = left.pop(0) if len(left) > 1 else left[0]
        groups.append(number[:size])
        number = number[size:]
    return sign.join(groups)


def random_text(chance: random.Random) -> str:
    """Return an identifier or something with a card number, by one of many patterns."""
    digits = "".join(chance.choices("0123456789", k=chance.randint(10, 20)))
    number = chance.choice([digits, digits + luhn_digit(digits), *chance.sample(KNOWN, 4)])
    sizes = chance.choice([[4], [4], [20], [20], [1], [2], [4, 6, 5], [6, 13], [8]])
    text = grouped(number, sizes, chance.choice(_SIGNS))
    prefix, suffix = (
        chance.choice(
            [
                "",
                "",
                "",
                "",
                "",
                "card:",
                "PAN ",
                "a",
                "t-",
                "(",
                "7-",
                "\u00e9",
                "20180808-",
                "x  ",
            ]
        )
        for _ in range(2)
    )
    text = f"{prefix}{text}{suffix}"
    if chance.random() < 0.2:
        zero = ord(chance.choice(_SCRIPTS))
        text = re.sub("[0-9]", lambda found: chr(zero + int(found[0])), text)
    if chance.random() < 0.1:
        text = str(uuid.UUID(int=chance.getrandbits(128)))
        text = re.sub("[a-f]", lambda found: chance.choice([found[0], "4", "1"]), text)
    if chance.random() < 0.1:
        place = chance.randrange(len(text) + 1)
        text = text[:place] + chance.choice(["", "\u0332", "z", "\n", "-"]) + text[place + 1 :]
    return text


def holds_card_number(text: str) -> bool:
    """Tell by the letter of the rule, sign by sign, whether ``text`` holds a card number."""
    signs: list[tuple[str, str]] = []
    for sign in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(sign)
        if category == "Nd":
            signs.append(("digit", str(int(sign))))
        elif category[0] in "LN":
            signs.append(("letter", sign))
        elif category[0] in "ZC" or category == "Pd" or sign == "\u2212":
            signs.append(("filler", sign))
        elif category[0] != "M":
            signs.append(("other", sign))
    kinds = {kind for kind, _ in signs}
    digits = "".join(sign for kind, sign in signs if kind == "digit")
    if kinds <= {"digit", "filler"} and 13 <= len(digits) <= 19 and passes_luhn(digits):
        return True
    return any(
        _issued(number) and passes_luhn(number)
        for stretch in _stretches(signs)
        for number in _candidates(stretch)
    )


def _stretches(signs: list[tuple[str, str]]) -> list[list[str]]:
    words: list[list[tuple[str, str]]] = []
    gaps: list[int] = []
    gap = 99
    for kind, sign in signs:
        if kind in {"filler", "other"}:
            gap += 1
            continue
        if gap:
            words.append([])
            gaps.append(gap)
            gap = 0
        words[-1].append((kind, sign))
    stretches: list[list[str]] = []
    open_stretch = False
    for word, before in zip(words, gaps, strict=True):
        if any(kind == "letter" for kind, _ in word):
            open_stretch = False
            continue
        if not open_stretch or before > 2:
            stretches.append([])
        stretches[-1].append("".join(sign for _, sign in word))
        open_stretch = True
    return stretches


def _candidates(groups: list[str]) -> list[str]:
    sizes = [len(group) for group in groups]
    first, last = sizes[0], sizes[-1]
    shown = sizes in ([4, 6, 5], [4, 6, 4], [6, 13]) or (
        len(sizes) > 1 and first <= 4 and last <= first and set(sizes[:-1]) == {first}
    )
    return [*groups, "".join(groups)] if shown else groups


def _issued(number: str) -> bool:
    two, three, four, long = int(number[:2]), int(number[:3]), int(number[:4]), len(number)
    return (
        (number[0] == "4" and long in {16, 19})
        or (long == 16 and (51 <= two <= 55 or 2221 <= four <= 2720 or two in {81, 82}))
        or (long == 16 and four == 9792)
        or (long == 15 and two in {34, 37})
        or (long == 14 and (two in {36, 38, 39} or 300 <= three <= 305 or three == 309))
        or (
            16 <= long <= 19
            and (
                3528 <= four <= 3589
                or 2200 <= four <= 2204
                or two in {50, 56, 57, 58}
                or number[0] == "6"
            )
        )
    )
