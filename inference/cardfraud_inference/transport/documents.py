"""JSON that comes in."""

from __future__ import annotations

import json
from typing import Any

import orjson

from cardfraud.errors import InvalidInput


def parse_json(body: bytes) -> Any:
    """Read a JSON body.

    ``NaN`` and ``Infinity`` are not JSON, but many clients write them. They are read as floats
    here, so that the contract, which allows them nowhere, can name the field that holds one.

    Raises:
        InvalidInput: it is not JSON; says where.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        constants: list[str] = []

        def constant(name: str) -> float:
            constants.append(name)
            return float(name)

        try:
            document = json.loads(body.decode(), parse_constant=constant)
        except (ValueError, RecursionError):
            constants.clear()
        if not constants:
            raise InvalidInput(f"the body is not JSON: {error}") from None
        return document
