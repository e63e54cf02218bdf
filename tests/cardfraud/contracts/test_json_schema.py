import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cardfraud.contracts.json_schema import schema_documents, transaction_json_schema
from cardfraud.contracts.transactions import Transaction, transaction_faults
from tests.support.transactions import record

ROOT = Path(__file__).parents[3]


def test_published_schemas_are_in_step() -> None:
    """The schemas in the repository are those that the contracts give today."""
    for name, content in schema_documents().items():
        assert (ROOT / name).read_bytes() == content, f"{name}: run cardfraud generate"


def test_the_schema_is_a_schema() -> None:
    """The document is valid JSON Schema of the draft that it names."""
    Draft202012Validator.check_schema(transaction_json_schema())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"amount": "57.16"},
        {"amount": 0},
        {"amount": 1_000_000},
        {"amount": 1_000_000.01},
        {"amount": -1},
        {"amount": "-1"},
        {"amount": None},
        {"amount": "1e2"},
        {"currency": "EUR"},
        {"currency": "eur"},
        {"segment": None},
        {"segment": ""},
        {"event_time": "2024-03-01T12:00:00"},
        {"event_time": "2024-03-01T12:00:00+02:00"},
        {"event_time": 5},
        {"user_id": ""},
        {"user_id": "x" * 65},
        {"user_id": " u"},
        {"colour": "red"},
    ],
)
def test_schema_and_model_agree(changes: dict[str, Any]) -> None:
    """The schema refuses what the model refuses, in all that JSON Schema can say."""
    document = json.loads(json.dumps(record(**changes)))
    accepted = Draft202012Validator(transaction_json_schema()).is_valid(document)
    assert accepted == isinstance(transaction_faults(document), Transaction)
