"""The contract of a transaction for those who do not speak Python: JSON Schema, draft 2020-12."""

from __future__ import annotations

import json
from typing import Any, Final

from cardfraud.contracts.transactions import (
    EARLIEST,
    LATEST,
    MAX_AMOUNT,
    SCHEMA_VERSION,
    Transaction,
)

TRANSACTION_SCHEMA_FILE: Final = f"components/schemas/transaction.v{SCHEMA_VERSION}.json"
"""Where the schema lies in the repository."""

_DECIMAL: Final = rf"^(?:{MAX_AMOUNT}(?:\.0{{1,2}})?|[0-9]{{1,6}}(?:\.[0-9]{{1,2}})?)$"
_OPAQUE: Final = ("transaction_id", "user_id", "merchant_id", "segment")
_REFUSED: Final = (
    "a card number: 13 to 19 digits that pass the Luhn check, alone but for blanks and dashes, or"
    " a number of a card scheme beside other text that does not touch it"
)


def transaction_json_schema() -> dict[str, Any]:
    """Return the schema of one transaction as a client sends it.

    What JSON Schema cannot say stands in keys that begin with ``x-``.
    """
    schema = Transaction.model_json_schema(mode="validation")
    properties = schema["properties"]
    for name in _OPAQUE:
        properties[name]["x-refused"] = _REFUSED
    properties["event_time"] |= {
        "pattern": r"(?:[Zz]|[+-]\d\d:?\d\d)$",
        "x-earliest": EARLIEST.isoformat(),
        "x-before": LATEST.isoformat(),
    }
    properties["amount"] = {
        "title": "Amount",
        "description": "Major units of the currency, at most two decimals.",
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": MAX_AMOUNT},
            {"type": "string", "pattern": _DECIMAL},
        ],
        "x-decimal-places": 2,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:cardfraud:transaction:v{SCHEMA_VERSION}",
        **schema,
    }


def schema_documents() -> dict[str, bytes]:
    """Every published schema by its path in the repository."""
    text = json.dumps(transaction_json_schema(), indent=2, ensure_ascii=False)
    return {TRANSACTION_SCHEMA_FILE: f"{text}\n".encode()}
