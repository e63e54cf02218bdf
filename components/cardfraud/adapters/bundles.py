"""Model bundles and policies in the object store: immutable, named by their content.

A bundle's manifest is written after all its files. A publisher that dies half-way leaves files
that nothing names: such a bundle cannot be loaded, and publishing it again completes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cardfraud.adapters.documents import check_digest, check_name, encode, parse, put_immutable
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.bundle import (
    MANIFEST_FILE,
    MODEL_FILE,
    SIGNATURE_FILE,
    Manifest,
    Signature,
    make_manifest,
    verify_files,
    verify_manifest,
)
from cardfraud.contracts.digests import content_address
from cardfraud.contracts.policy import Policy
from cardfraud.errors import IntegrityError, InvalidSetting, NotFound, Unavailable

POLICY_FILE: Final = "policy.json"
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle: every byte is the byte that its digest promises."""

    manifest: Manifest
    files: Mapping[str, bytes]
    signature: Signature

    @property
    def digest(self) -> str:
        """Content address of the bundle: ``sha256-<hex>``."""
        return self.manifest.bundle_digest

    @property
    def model(self) -> bytes:
        """The ONNX graph."""
        return self.files[MODEL_FILE]


def publish_bundle(
    store: ObjectStore, files: Mapping[str, bytes], name: str, algorithm: str
) -> Manifest:
    """Write a bundle, its manifest last; publishing the same bytes again changes nothing.

    Args:
        store: where to.
        files: content by file name, every required file of a bundle among them.
        name: name of the model, such as ``fraud``.
        algorithm: name of the estimator.

    Raises:
        IntegrityError: a required file is absent, or other bytes lie under one of the keys.
        InvalidSetting: the name of the model or of a file cannot be used in a key.
    """
    check_name("model", name)
    for file in files:
        _check_file(file)
    manifest = make_manifest(name, algorithm, files)
    prefix = keys.bundle_prefix(name, manifest.bundle_digest)
    for file in manifest.files:
        put_immutable(store, prefix + file, files[file])
    put_immutable(store, prefix + MANIFEST_FILE, encode(manifest))
    return manifest


def load_bundle(store: ObjectStore, model: str, digest: str) -> Bundle:
    """Read a bundle and verify every byte of it.

    Raises:
        InvalidSetting: ``digest`` is no digest.
        NotFound: there is no such bundle, or its publisher has not finished.
        IntegrityError: a file is absent or changed, or it is not the bundle that was asked for.
    """
    check_digest("digest", digest)
    prefix = keys.bundle_prefix(model, digest)
    try:
        content = store.get(prefix + MANIFEST_FILE)
    except NotFound as error:
        hint = "it was never published, or its publisher did not finish"
        raise NotFound("bundle", f"{model}/{digest}", hint=hint) from error
    return _verified(content, lambda file: store.get(prefix + file), model=model, digest=digest)


def load_bundle_directory(
    path: Path, *, model: str | None = None, digest: str | None = None
) -> Bundle:
    """Read a bundle from a folder, such as a mounted volume, and verify every byte of it.

    Args:
        path: holds the manifest and the files that it names; other files are not looked at.
        model: whose bundle it must be; None takes any.
        digest: which bundle it must be; None takes the one that the manifest says.

    Raises:
        NotFound: the folder holds no manifest.
        IntegrityError: a file is absent or changed, or it is not the bundle that was asked for.
        Unavailable: a file cannot be read.
    """

    def read(file: str) -> bytes:
        try:
            return (path / file).read_bytes()
        except FileNotFoundError as error:
            raise NotFound("file", str(path / file)) from error
        except OSError as error:
            raise Unavailable(str(path / file), error.strerror or type(error).__name__) from error

    return _verified(read(MANIFEST_FILE), read, model=model, digest=digest)


def publish_policy(store: ObjectStore, model: str, policy: Policy) -> str:
    """Write a policy; return its digest. Publishing the same one again changes nothing."""
    check_name("model", model)
    content = policy.encode()
    digest = content_address(content)
    put_immutable(store, keys.policy(model, digest), content)
    return digest


def load_policy(store: ObjectStore, model: str, digest: str) -> Policy:
    """Read a policy and verify it.

    Raises:
        InvalidSetting: ``digest`` is no digest.
        NotFound: there is no such policy.
        IntegrityError: its bytes are not those that the digest names.
    """
    return parse_policy(read_policy(store, model, digest), digest)


def read_policy(store: ObjectStore, model: str, digest: str) -> bytes:
    """Return the bytes of a policy, not verified yet.

    Raises:
        InvalidSetting: ``digest`` is no digest.
        NotFound: there is no such policy.
    """
    check_digest("digest", digest)
    try:
        return store.get(keys.policy(model, digest))
    except NotFound as error:
        raise NotFound("policy", f"{model}/{digest}") from error


def parse_policy(content: bytes, digest: str) -> Policy:
    """Verify the bytes of a policy and read it.

    Raises:
        IntegrityError: they are not those that the digest names.
    """
    actual = content_address(content)
    if actual != digest:
        raise IntegrityError(POLICY_FILE, digest, actual, hint="the object was changed")
    return parse(Policy, content, POLICY_FILE)


def _verified(
    content: bytes,
    read: Callable[[str], bytes],
    *,
    model: str | None = None,
    digest: str | None = None,
) -> Bundle:
    manifest = parse(Manifest, content, MANIFEST_FILE)
    if model is not None and manifest.name != model:
        raise IntegrityError(f"{MANIFEST_FILE}: name", model, manifest.name)
    if digest is not None and manifest.bundle_digest != digest:
        raise IntegrityError(f"{MANIFEST_FILE}: bundle_digest", digest, manifest.bundle_digest)
    verify_manifest(manifest)
    files: dict[str, bytes] = {}
    for file in manifest.files:
        if not _FILE.fullmatch(file):  # a name with .. or / would read outside the bundle
            raise IntegrityError(MANIFEST_FILE, "plain file names", file)
        try:
            files[file] = read(file)
        except NotFound as error:
            raise IntegrityError(file, "a file of the bundle", "absent") from error
    verify_files(manifest, files)
    for required in (MODEL_FILE, SIGNATURE_FILE):
        if required not in files:
            raise IntegrityError(required, "a file of the bundle", "absent")
    signature = parse(Signature, files[SIGNATURE_FILE], SIGNATURE_FILE)
    return Bundle(manifest, files, signature)


def _check_file(file: str) -> None:
    if not _FILE.fullmatch(file) or file == MANIFEST_FILE:
        raise InvalidSetting("files", f"{file[:80]!r} cannot be the name of a file of a bundle")
