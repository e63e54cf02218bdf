"""JSON that comes in."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import orjson

from cardfraud.errors import InvalidInput

_EXACT_DIGITS: Final = 20
"""Integers of more characters are read as floats, as orjson reads them."""


def parse_json(body: bytes) -> Any:
    """Read a JSON body.

    ``NaN`` and ``Infinity`` are not JSON, but many clients write them, and ``1e400`` is JSON but no
    float. They are read as floats here, so that the contract, which allows them nowhere, can name
    the field that holds one.

    Raises:
        InvalidInput: it is not JSON; says where.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        reason = str(error)
    found: list[str] = []

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            found.append(text[:20])
        return value

    def integer(text: str) -> float:
        return int(text) if len(text) <= _EXACT_DIGITS else number(text)

    try:
        document = json.loads(
            body.decode(), parse_constant=number, parse_float=number, parse_int=integer
        )
        # Python reads half of a surrogate pair, which no answer could repeat.
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        found.clear()
        reason = "a text in it holds half of a surrogate pair"
    except (ValueError, RecursionError):
        found.clear()
    if not found:
        raise InvalidInput(f"the body is not JSON: {reason}")
    return document
