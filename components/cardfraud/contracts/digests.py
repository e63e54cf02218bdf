"""Content addresses: the one way in which anything here is named by its bytes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

PREFIX = "sha256-"


def canonical_json(document: Any) -> bytes:
    """Return the one byte string that stands for a JSON value: sorted keys, no blanks, UTF-8.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def sha256_hex(content: bytes) -> str:
    """SHA-256 of ``content`` in lower-case hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def content_address(content: bytes) -> str:
    """Return ``sha256-<hex>``, which is safe in an object key and in a label."""
    return f"{PREFIX}{sha256_hex(content)}"
