"""Each server says what it takes and gives, and what it says is true."""

import httpx
import pytest

from cardfraud.contracts.openapi import openapi_document
from tests.cardfraud_inference.conftest import Serving


@pytest.mark.parametrize("server", ["predictor", "transformer"])
def test_the_document_is_served(serving: Serving, server: str) -> None:
    """The contract's document with this model's name; nothing that it describes is not found."""
    url = getattr(serving, server).url
    document = httpx.get(f"{url}/openapi.json", timeout=30).json()
    assert document == openapi_document("fraud")
    for path, methods in document["paths"].items():
        for method in methods.keys() - {"parameters"}:
            answer = httpx.request(method.upper(), url + path.format(model="fraud"), timeout=30)
            assert str(answer.status_code) in methods[method]["responses"], path
            assert answer.status_code != 404, path
