"""Aliases and tracks in the object store: the only parts of the registry that change.

They change by conditional writes: of two writers who read the same state one wins and the other
gets :class:`~cardfraud.errors.Conflict`. They never name what was not published.

A bundle's alias and a policy's are two objects, which no write changes together. Each therefore
says which half it was moved with, and :func:`paired_policy` takes no half of another pair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from cardfraud.adapters.documents import check_digest, check_name, encode, parse, put_conditional
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.bundle import MANIFEST_FILE
from cardfraud.contracts.tracks import Alias, Tracks
from cardfraud.errors import Conflict, NotFound

Kind = Literal["models", "policies"]
"""What an alias names: a bundle or a policy."""

_TRACKS_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class StoredTracks:
    """The desired state of serving with the tag that a conditional write needs."""

    tracks: Tracks
    etag: str


def read_alias(store: ObjectStore, kind: Kind, model: str, alias: str) -> Alias:
    """Return what an alias names.

    Raises:
        NotFound: nobody has set it.
    """
    try:
        return parse(Alias, store.get(_alias_key(kind, model, alias)), f"alias {alias}")
    except NotFound as error:
        raise NotFound(f"alias of {kind}", f"{model}/{alias}", hint="publish one first") from error


def alias_digest(store: ObjectStore, kind: Kind, model: str, alias: str) -> str | None:
    """Return the digest that an alias names, or None where nobody has set it."""
    found = _alias(store, kind, model, alias)
    return None if found is None else found.digest


def paired_policy(store: ObjectStore, model: str, alias: str, bundle: str) -> str | None:
    """Return the digest of the policy by which a bundle decides under an alias, or None.

    The policy's alias says so as long as it was moved for this bundle: a policy changes without a
    new model. Otherwise it is the policy that came with the bundle's alias, whose single write
    moves both. A policy's alias that says nothing of a bundle counts where neither is known.
    """
    named = _alias(store, "policies", model, alias)
    if named is not None and named.paired_with == bundle:
        return named.digest
    own = _alias(store, "models", model, alias)
    if own is not None and own.digest == bundle and own.paired_with is not None:
        return own.paired_with
    return named.digest if named is not None and named.paired_with is None else None


def move_alias(
    store: ObjectStore,
    kind: Kind,
    model: str,
    alias: str,
    digest: str,
    *,
    expected: str | None,
    paired_with: str | None = None,
) -> Alias:
    """Let an alias name another digest, unless somebody else moved it first.

    Args:
        store: where the alias is.
        kind: whether it names a bundle or a policy.
        model: name of the model.
        alias: ``champion``, ``challenger`` or ``shadow``.
        digest: what it shall name; must have been published.
        expected: what the caller saw it name; None if it saw none.
        paired_with: the policy that comes with a bundle, or the bundle that a policy is meant for;
            must have been published. None says nothing, and leaves what was said of ``digest``.

    Returns:
        The alias as it is now. When it says all of this already and that was expected, nothing is
        written; ``previous`` stays as long as ``digest`` does.

    Raises:
        Conflict: it does not name ``expected``, or was moved between reading and writing.
        NotFound: nothing was published under ``digest``, or under ``paired_with``.
    """
    check_digest("digest", digest)
    _require(store, kind, model, digest)
    if paired_with is not None:
        check_digest("paired_with", paired_with)
        _require(store, "policies" if kind == "models" else "models", model, paired_with)
    key = _alias_key(kind, model, alias)
    try:
        stored = store.get_tagged(key)
    except NotFound:
        current, etag = None, None
    else:
        current, etag = parse(Alias, stored.content, f"alias {alias}"), stored.etag
    seen = current.digest if current else None
    if seen != expected:
        raise Conflict(key, f"it names {seen or 'nothing'}, expected was {expected or 'nothing'}")
    previous = expected
    if current is not None and current.digest == digest:
        if paired_with in {None, current.paired_with}:
            return current
        previous = current.previous
    moved = Alias(name=alias, digest=digest, previous=previous, paired_with=paired_with)
    put_conditional(store, key, encode(moved), etag)
    return moved


def read_tracks(store: ObjectStore, model: str) -> StoredTracks:
    """Return the desired state of serving.

    Raises:
        NotFound: nothing was deployed yet.
    """
    try:
        stored = store.get_tagged(keys.tracks(model))
    except NotFound as error:
        raise NotFound("tracks", model, hint="deploy a bundle first") from error
    return StoredTracks(parse(Tracks, stored.content, "tracks.json"), stored.etag)


def write_tracks(store: ObjectStore, tracks: Tracks, *, etag: str | None) -> str:
    """Write the desired state of serving in the place of the one that was read; return its tag.

    Args:
        store: where to.
        tracks: every bundle and policy in it must have been published.
        etag: tag of what was read; None if there was nothing.

    Raises:
        Conflict: somebody else wrote first.
        NotFound: a bundle or a policy that it names does not exist.
    """
    for track in tracks.tracks.values():
        _require(store, "models", tracks.model, track.bundle)
        _require(store, "policies", tracks.model, track.policy)
    return put_conditional(store, keys.tracks(tracks.model), encode(tracks), etag)


def update_tracks(
    store: ObjectStore, model: str, change: Callable[[Tracks | None], Tracks]
) -> Tracks:
    """Read the tracks, change them, write them; start again when somebody else wrote in between.

    Args:
        store: where they are.
        model: name of the model.
        change: gets what is there (None if nothing) and returns what shall be; may run repeatedly.

    Raises:
        Conflict: others kept writing first, five times in a row.
        NotFound: a bundle or a policy that the result names does not exist.
    """
    last: Conflict | None = None
    for _ in range(_TRACKS_ATTEMPTS):
        try:
            stored: StoredTracks | None = read_tracks(store, model)
        except NotFound:
            stored = None
        wanted = change(stored.tracks if stored else None)
        if stored is not None and wanted == stored.tracks:
            return wanted
        try:
            write_tracks(store, wanted, etag=stored.etag if stored else None)
        except Conflict as error:
            last = error
        else:
            return wanted
    reason = f"others wrote first, {_TRACKS_ATTEMPTS} times"
    raise Conflict(keys.tracks(model), reason) from last


def _alias(store: ObjectStore, kind: Kind, model: str, alias: str) -> Alias | None:
    try:
        return read_alias(store, kind, model, alias)
    except NotFound:
        return None


def _require(store: ObjectStore, kind: Kind, model: str, digest: str) -> None:
    key = (
        keys.bundle_prefix(model, digest) + MANIFEST_FILE
        if kind == "models"
        else keys.policy(model, digest)
    )
    if not store.exists(key):
        raise NotFound("bundle" if kind == "models" else "policy", f"{model}/{digest}")


def _alias_key(kind: Kind, model: str, alias: str) -> str:
    check_name("alias", alias)
    check_name("model", model)
    return (keys.bundle_alias if kind == "models" else keys.policy_alias)(model, alias)
