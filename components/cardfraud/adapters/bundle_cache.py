"""What a server needs at start, also while the registry does not answer.

A server asks the registry first. When that answers, what came is verified and a copy is kept in a
local folder; when it is :class:`~cardfraud.errors.Unavailable`, the copy is verified again, byte
for byte, and taken. Bundles and policies are named by their content, so that a copy is right or
refused, never outdated. A registry that answers "there is none" or sends changed bytes is obeyed:
the cache stands in for silence only. Nothing that fails in the folder keeps a server from starting
with what the registry sent.

Servers make one from their setting ``cache_dir`` (``CARDFRAUD_PREDICTOR_CACHE_DIR``,
``CARDFRAUD_TRANSFORMER_CACHE_DIR``): a folder that outlives the process. An emptyDir outlives a
container, a volume outlives a pod. Only the server should be able to write there: digests protect
bundles and policies, while the copy of a mutable object is protected against damage alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import structlog

from cardfraud.adapters.bundles import (
    POLICY_FILE,
    Bundle,
    load_bundle,
    load_bundle_directory,
    parse_policy,
    read_policy,
)
from cardfraud.adapters.documents import check_digest, check_name, encode, parse
from cardfraud.adapters.local_copies import LocalCopies
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings, StoredObject
from cardfraud.contracts import keys
from cardfraud.contracts.bundle import MANIFEST_FILE
from cardfraud.contracts.digests import content_address
from cardfraud.contracts.policy import Policy
from cardfraud.contracts.tracks import Tracks
from cardfraud.errors import CardfraudError, IntegrityError, Unavailable

_log = structlog.stdlib.get_logger(__name__)

TRACKS_FILE: Final = "tracks.json"
_OBJECT_FILE: Final = "object"
_PATIENCE_S: Final = 5.0

_Loaded = TypeVar("_Loaded")


class Origin(StrEnum):
    """Where something was loaded from."""

    REGISTRY = "registry"
    CACHE = "cache"


class BundleCache:
    """Verified copies in a local folder; several processes may share it."""

    def __init__(self, folder: Path, *, keep: int = 3) -> None:
        """Keep the settings; the first load makes the folder.

        Args:
            folder: where the copies are.
            keep: how many copies of bundles, and of policies, of one model stay.
        """
        self.copies = LocalCopies(folder)
        self._keep = keep

    def store(
        self, group: str, digest: str, files: Mapping[str, bytes], *, keep: int | None = None
    ) -> None:
        """Keep a copy; when the folder does not take it, that is logged and no more."""
        try:
            self.copies.write(group, digest, files)
            self.copies.hold(group, digest)
            self.copies.prune(group, keep or self._keep)
        except OSError as error:
            _log.warning("cache_not_refreshed", what=f"{group}/{digest}", reason=str(error))


def start_settings(settings: ObjectStoreSettings, cache: BundleCache | None) -> ObjectStoreSettings:
    """Return how a server asks the object store at its start: with a cache, not for minutes.

    An endpoint that takes connections and never answers would hold up every read for as long as
    all attempts take. Where the cache is still empty, patience is all there is.
    """
    if cache is None or not cache.copies.filled():
        return settings
    quick = {"attempts": 1, "read_timeout_s": min(settings.read_timeout_s, _PATIENCE_S)}
    return settings.model_copy(update=quick)


def cached_bundle(
    store: ObjectStore, model: str, digest: str, cache: BundleCache | None
) -> tuple[Bundle, Origin]:
    """Load a bundle from the registry or, while that is unavailable, from the cache.

    Raises:
        InvalidSetting: ``digest`` is no digest.
        NotFound: the registry has no such bundle, or its publisher has not finished.
        IntegrityError: a file in the registry is absent or changed.
        Unavailable: the registry does not answer, and the cache has no whole copy.
    """
    return _load(
        cache,
        f"models/{_checked(model, digest)}",
        digest,
        fetch=lambda: load_bundle(store, model, digest),
        files=lambda bundle: {**bundle.files, MANIFEST_FILE: encode(bundle.manifest)},
        read=lambda folder: load_bundle_directory(folder, model=model, digest=digest),
    )


def cached_policy(
    store: ObjectStore, model: str, digest: str, cache: BundleCache | None
) -> tuple[Policy, Origin]:
    """Load a policy from the registry or, while that is unavailable, from the cache.

    Raises:
        InvalidSetting: ``digest`` is no digest.
        NotFound: the registry has no such policy.
        IntegrityError: its bytes in the registry are not those that the digest names.
        Unavailable: the registry does not answer, and the cache has no whole copy.
    """

    def fetch() -> tuple[Policy, bytes]:
        content = read_policy(store, model, digest)
        return parse_policy(content, digest), content

    def read(folder: Path) -> tuple[Policy, bytes]:
        content = (folder / POLICY_FILE).read_bytes()
        return parse_policy(content, digest), content

    (policy, _), origin = _load(
        cache,
        f"policies/{_checked(model, digest)}",
        digest,
        fetch=fetch,
        files=lambda loaded: {POLICY_FILE: loaded[1]},
        read=read,
    )
    return policy, origin


def cached_tracks(
    store: ObjectStore, model: str, cache: BundleCache | None
) -> tuple[Tracks, Origin]:
    """Read the desired state of serving; while the registry is unavailable, as it was last read.

    Raises:
        NotFound: nothing was deployed yet.
        IntegrityError: what the registry has is no such document.
        Unavailable: the registry does not answer, and the cache has no whole copy.
    """

    def parsed(content: bytes) -> Tracks:
        return parse(Tracks, content, TRACKS_FILE)

    stored, origin = cached_object(store, keys.tracks(model), cache, check=parsed)
    return parsed(stored.content), origin


def cached_object(
    store: ObjectStore, key: str, cache: BundleCache | None, *, check: Callable[[bytes], object]
) -> tuple[StoredObject, Origin]:
    """Read an object that may change; while the store is unavailable, as it was last read.

    Args:
        store: where it is.
        key: its key.
        cache: keeps the copy; None for no cache.
        check: raises where the bytes are not such an object; no copy is kept of these.

    Returns:
        The object, its tag empty when it comes from the cache, and where it comes from.

    Raises:
        NotFound: there is no such object.
        Unavailable: the store does not answer, and the cache has no whole copy.
    """
    where = content_address(f"{store.settings.endpoint_url}/{store.bucket}/{key}".encode())
    group = f"objects/{where}"
    try:
        stored = store.get_tagged(key)
    except Unavailable as error:
        if cache is None:
            raise
        digest = next(iter(cache.copies.digests(group)), None)
        return _from_cache(cache, group, digest, _read_object, error), Origin.CACHE
    check(stored.content)
    if cache is not None:
        files = {_OBJECT_FILE: stored.content}
        cache.store(group, content_address(stored.content), files, keep=1)
    return stored, Origin.REGISTRY


def _read_object(folder: Path) -> StoredObject:
    content = (folder / _OBJECT_FILE).read_bytes()
    actual = content_address(content)
    if actual != folder.name:
        raise IntegrityError(_OBJECT_FILE, folder.name, actual)
    return StoredObject(content, etag="")


def _load(
    cache: BundleCache | None,
    group: str,
    digest: str,
    *,
    fetch: Callable[[], _Loaded],
    files: Callable[[_Loaded], Mapping[str, bytes]],
    read: Callable[[Path], _Loaded],
) -> tuple[_Loaded, Origin]:
    try:
        loaded = fetch()
    except Unavailable as error:
        if cache is None:
            raise
        return _from_cache(cache, group, digest, read, error), Origin.CACHE
    if cache is not None:
        cache.store(group, digest, files(loaded))
    return loaded, Origin.REGISTRY


def _from_cache(
    cache: BundleCache,
    group: str,
    digest: str | None,
    read: Callable[[Path], _Loaded],
    silence: Unavailable,
) -> _Loaded:
    """Verify and return a copy, for a registry that did not answer with ``silence``."""
    why = "and the cache has no copy"
    if digest is not None and (folder := cache.copies.path(group, digest)).is_dir():
        cache.copies.hold(group, digest)
        try:
            loaded = read(folder)
        except (CardfraudError, OSError) as error:
            why = f"and the copy in the cache cannot be used: {error}"
        else:
            _log.warning("loaded_from_cache", what=f"{group}/{digest}", reason=silence.reason)
            return loaded
    raise Unavailable(silence.part, f"{silence.reason}, {why}", hint=silence.hint) from silence


def _checked(model: str, digest: str) -> str:
    check_digest("digest", digest)
    check_name("model", model)
    return model
