"""What ``GET /openapi.json`` answers: the contract's document with the name of this model."""

from __future__ import annotations

from functools import lru_cache

import orjson

from cardfraud.contracts.openapi import openapi_document


@lru_cache(maxsize=4)
def openapi_json(model: str) -> bytes:
    """Return the document of a server that has one model."""
    return orjson.dumps(openapi_document(model))
