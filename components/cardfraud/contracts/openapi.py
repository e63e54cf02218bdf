"""The REST faces for those who do not speak Python: one OpenAPI 3.1 document.

What the contracts already say of a transaction and an answer is taken from them. What JSON Schema
cannot say (a Luhn check, a range of times) stands in keys that begin with ``x-``.
"""

from __future__ import annotations

import json
from typing import Any, Final

from cardfraud.contracts.json_schema import transaction_json_schema
from cardfraud.contracts.scoring import MAX_BODY_BYTES, MAX_INSTANCES, Prediction

OPENAPI_FILE: Final = "components/schemas/openapi.v1.json"
"""Where the document lies in the repository."""

_MODEL_NAME: Final = "^[a-z0-9][a-z0-9-]{0,62}$"
_TEXT_COLUMNS: Final = (
    "transaction_id",
    "event_time",
    "user_id",
    "merchant_id",
    "currency",
    "segment",
)
_FAULTS: Final = {
    "400": "The request is wrong; nothing was scored.",
    "404": "There is no such model.",
    "408": "The request did not come in time.",
    "413": f"More than {MAX_INSTANCES} instances or {MAX_BODY_BYTES} bytes.",
    "503": "Not ready, or the policy has nobody decide without the model.",
}

Document = dict[str, Any]


def openapi_document(model: str | None = None) -> Document:
    """Return the document.

    Args:
        model: name of the one model that a server has; None describes every server.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cardfraud",
            "version": "1",
            "description": "A card transaction in, the probability of fraud and a decision out.",
        },
        "paths": {
            "/v1/models/{model}:predict": {
                "parameters": [_model_parameter(model)],
                "post": _post("predict", "Decide on transactions.", "Instances", "Predictions"),
            },
            "/v2/models/{model}/infer": {
                "parameters": [_model_parameter(model)],
                "post": _post("infer", "The same in columns.", "InferRequest", "InferResponse"),
            },
            "/predict": {
                "post": _post("plainPredict", "Score one row of features.", "Row", "Score"),
            },
            "/health": {
                "get": {
                    "operationId": "health",
                    "summary": "Whether the model is ready.",
                    "responses": _responses("Health", "503"),
                },
            },
        },
        "components": {"schemas": _schemas()},
    }


def openapi_documents() -> dict[str, bytes]:
    """The published document by its path in the repository."""
    text = json.dumps(openapi_document(), indent=2, ensure_ascii=False)
    return {OPENAPI_FILE: f"{text}\n".encode()}


def _schemas() -> Document:
    transaction = transaction_json_schema()
    prediction = Prediction.model_json_schema(
        mode="serialization", ref_template="#/components/schemas/{model}"
    )
    parts = prediction.pop("$defs")
    return {
        "Transaction": {key: value for key, value in transaction.items() if key[0] != "$"},
        "Prediction": prediction,
        **parts,
        "Instances": _object(
            instances=_list("Transaction", minItems=1, maxItems=MAX_INSTANCES),
        ),
        "Predictions": _object(predictions=_list("Prediction")),
        **_tensors(),
        **_plain(),
        "Fault": _object(
            index={"type": "integer"}, field={"type": "string"}, reason={"type": "string"}
        ),
        "Error": _object(
            optional=("details",),
            error={"type": "string"},
            request_id={"type": "string"},
            details=_list("Fault"),
        ),
    }


def _tensors() -> Document:
    """The Open Inference Protocol as JSON, with the columns of a transaction."""

    def column(name: str, datatype: str, kind: str) -> Document:
        return _object(
            name={"const": name},
            datatype={"const": datatype},
            shape=_integers(1),
            data={"type": "array", "items": {"type": kind}, "maxItems": MAX_INSTANCES},
        )

    columns = [column("amount", "FP64", "number")]
    columns += [column(name, "BYTES", "string") for name in _TEXT_COLUMNS]
    return {
        "InferRequest": _object(
            optional=("id", "outputs", "parameters"),
            id={"type": "string"},
            inputs={"type": "array", "items": {"oneOf": columns}},
            outputs={
                "type": "array",
                "items": _object(name={"enum": ["probability", "decision", "detail"]}),
            },
            parameters={"type": "object"},
        ),
        "InferResponse": {
            "type": "object",
            "required": ["id", "model_name", "model_version", "outputs"],
            "properties": {"outputs": {"type": "array", "items": {"type": "object"}}},
        },
    }


def _plain() -> Document:
    """Features in, prediction and probability out; which features, the model's signature says."""
    return {
        "Row": _object(
            features={"type": "object", "additionalProperties": {"type": ["number", "null"]}}
        ),
        "Score": _object(
            prediction={"enum": [0, 1]},
            probability={"type": "number", "minimum": 0, "maximum": 1},
            threshold={"type": "number", "minimum": 0, "maximum": 1},
            model={"$ref": "#/components/schemas/Served"},
        ),
        "Served": _object(name={"type": "string"}, version={"type": "string"}),
        "Health": _object(status={"const": "ok"}, model={"$ref": "#/components/schemas/Served"}),
    }


def _model_parameter(model: str | None) -> Document:
    schema = {"type": "string", "pattern": _MODEL_NAME} if model is None else {"enum": [model]}
    return {"name": "model", "in": "path", "required": True, "schema": schema}


def _post(identifier: str, summary: str, takes: str, gives: str) -> Document:
    return {
        "operationId": identifier,
        "summary": summary,
        "requestBody": {"required": True, "content": _json(takes)},
        "responses": _responses(gives, *_FAULTS),
    }


def _responses(gives: str, *faults: str) -> Document:
    good = {"200": {"description": "The answer.", "content": _json(gives)}}
    return good | {
        status: {"description": _FAULTS[status], "content": _json("Error")} for status in faults
    }


def _json(schema: str) -> Document:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _list(schema: str, **bounds: int) -> Document:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{schema}"}, **bounds}


def _integers(count: int) -> Document:
    items = {"type": "integer", "minimum": 0}
    return {"type": "array", "items": items, "minItems": count, "maxItems": count}


def _object(*, optional: tuple[str, ...] = (), **properties: Document) -> Document:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
