"""JSON documents and immutable objects in the object store, as the registry writes them."""

from __future__ import annotations

import contextlib
import re
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts.digests import canonical_json, content_address
from cardfraud.errors import Conflict, IntegrityError, InvalidSetting, NotFound

_DIGEST: Final = re.compile(r"sha256-[0-9a-f]{64}")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

_Document = TypeVar("_Document", bound=BaseModel)


def put_immutable(store: ObjectStore, key: str, content: bytes) -> None:
    """Write an object that never changes; the same bytes may be there already.

    Raises:
        IntegrityError: other bytes are there.
    """
    try:
        store.put_if_absent(key, content)
    except Conflict:
        there = store.get(key)
        if there != content:
            raise IntegrityError(
                key,
                content_address(content),
                content_address(there),
                hint="an immutable object was changed; restore it or delete it",
            ) from None


def put_conditional(store: ObjectStore, key: str, content: bytes, etag: str | None) -> str:
    """Write an object in the place of the one with tag ``etag`` (None: of none); return its tag.

    Raises:
        Conflict: somebody else wrote first.
    """
    try:
        if etag is None:
            return store.put_if_absent(key, content)
        return store.put_if_match(key, content, etag)
    except Conflict:
        # The client retries a write whose answer was lost, and the retry then meets its own object.
        with contextlib.suppress(NotFound):
            there = store.get_tagged(key)
            if there.content == content:
                return there.etag
        raise


def encode(document: BaseModel) -> bytes:
    """Return the canonical bytes of a document."""
    return canonical_json(document.model_dump(mode="json"))


def parse(contract: type[_Document], content: bytes, name: str) -> _Document:
    """Read a document.

    Raises:
        IntegrityError: it is not what the contract says; the message names the field.
    """
    try:
        return contract.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise IntegrityError(name, contract.__name__, f"{where}: {first['msg']}") from error


def check_digest(setting: str, digest: str) -> None:
    """Refuse what is no content address.

    Raises:
        InvalidSetting: it is none.
    """
    if not _DIGEST.fullmatch(digest):
        raise InvalidSetting(setting, f"expected sha256-<64 hex digits>, got {digest[:80]!r}")


def check_name(setting: str, name: str) -> None:
    """Refuse a name that cannot be a part of a key.

    Raises:
        InvalidSetting: it holds other characters than lower-case letters, digits and hyphens.
    """
    if not _NAME.fullmatch(name):
        raise InvalidSetting(setting, f"expected lower-case letters, digits, -; got {name[:80]!r}")
