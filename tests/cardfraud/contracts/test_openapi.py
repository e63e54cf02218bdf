"""The OpenAPI document is in step, is one, and says of a body what the contracts say."""

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from jsonschema import Draft202012Validator

from cardfraud.contracts.openapi import openapi_document, openapi_documents
from cardfraud.contracts.policy import Decision
from cardfraud.contracts.scoring import (
    MAX_INSTANCES,
    FeatureHealth,
    ModelVersion,
    PolicyVersion,
    Prediction,
)
from tests.support.transactions import record

ROOT = Path(__file__).parents[3]
ANSWER = Prediction(
    transaction_id="t1",
    probability=0.25,
    decision=Decision.APPROVE,
    model=ModelVersion(name="fraud", version="sha256-1", track="stable"),
    policy=PolicyVersion(version="sha256-2"),
    features=FeatureHealth(age_seconds=1.5, missing=("user",)),
)


def valid(schema: str, document: object) -> bool:
    """Whether a document is what a schema of the components says."""
    whole = openapi_document()
    reference = {"$ref": f"#/components/schemas/{schema}"}
    validator = Draft202012Validator({**reference, "components": whole["components"]})
    return bool(validator.is_valid(document))


def test_the_published_document_is_in_step() -> None:
    """The document in the repository is the one that the contracts give today."""
    for name, content in openapi_documents().items():
        assert (ROOT / name).read_bytes() == content, f"{name}: run cardfraud generate"


@pytest.mark.parametrize("model", [None, "fraud"])
def test_the_document_is_openapi(model: str | None) -> None:
    """It is valid OpenAPI 3.1, for every server and for one with a model of its own."""
    document = openapi_document(model)
    schemathesis.openapi.from_dict(document).validate()
    names = document["paths"]["/v1/models/{model}:predict"]["parameters"][0]["schema"]
    assert names == {"enum": ["fraud"]} if model else "pattern" in names


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ({"instances": [record()]}, True),
        ({"instances": [record(), record(amount="12.34", currency="EUR")]}, True),
        ({"instances": []}, False),
        ({"instances": [record(amount=-1)]}, False),
        ({"instances": [record()] * (MAX_INSTANCES + 1)}, False),
        ({"instances": [record()], "more": 1}, False),
        ([record()], False),
    ],
)
def test_a_body_is_judged_as_the_contract_does(body: Any, good: bool) -> None:
    """The schema of a request takes what the contract takes, and nothing that it refuses."""
    assert valid("Instances", json.loads(json.dumps(body))) == good


def test_an_answer_is_what_the_document_says() -> None:
    """The contract's own answer fits; with an error in it, or less, it does not."""
    answer = ANSWER.model_dump(mode="json")
    assert valid("Predictions", {"predictions": [answer]})
    assert valid("Predictions", {"predictions": [answer | {"probability": None}]})
    assert not valid("Predictions", {"predictions": [answer], "error": "half of it failed"})
    assert not valid("Predictions", {"predictions": [answer | {"error": "no"}]})
    del answer["decision"]
    assert not valid("Predictions", {"predictions": [answer]})


def test_an_error_is_what_the_document_says() -> None:
    """An error has its message and the request's id; faults name index, field and reason."""
    error: dict[str, object] = {"error": "amount is wrong", "request_id": "r1"}
    assert valid("Error", error)
    fault = {"index": 0, "field": "amount", "reason": "must be a number"}
    assert valid("Error", error | {"details": [fault]})
    assert not valid("Error", error | {"details": [{"index": 0}]})
    assert not valid("Error", {"error": "amount is wrong"})
