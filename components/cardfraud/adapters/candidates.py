"""Candidates and data sets in the object store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from cardfraud.adapters.documents import encode, parse
from cardfraud.adapters.object_store import ObjectStore, decode_frame
from cardfraud.contracts import keys
from cardfraud.contracts.candidate import (
    CANDIDATE_FILE,
    Candidate,
    DatasetManifest,
    DatasetObject,
    Period,
)
from cardfraud.contracts.digests import sha256_hex
from cardfraud.errors import IntegrityError, NotFound

if TYPE_CHECKING:
    import polars as pl

CANDIDATES = "candidates"


def candidate_key(run_id: str, file: str) -> str:
    """Key of a file of a candidate."""
    return f"{CANDIDATES}/{run_id}/{file}"


def write_candidate(
    store: ObjectStore, candidate: Candidate, files: Mapping[str, bytes]
) -> Candidate:
    """Write a candidate's files, then ``candidate.json`` with their digests; return the latter."""
    digests = {file: sha256_hex(content) for file, content in sorted(files.items())}
    complete = candidate.model_copy(update={"files": digests})
    for file, content in files.items():
        store.put(candidate_key(candidate.run_id, file), content)
    store.put(candidate_key(candidate.run_id, CANDIDATE_FILE), encode(complete))
    return complete


def read_candidate(store: ObjectStore, run_id: str) -> Candidate:
    """Return what is known of a candidate.

    Raises:
        NotFound: there is none, or its training has not finished.
    """
    try:
        content = store.get(candidate_key(run_id, CANDIDATE_FILE))
    except NotFound as error:
        raise NotFound("candidate", run_id, hint="train one first") from error
    return parse(Candidate, content, CANDIDATE_FILE)


def read_candidate_file(store: ObjectStore, candidate: Candidate, file: str) -> bytes:
    """Return a file of a candidate.

    Raises:
        IntegrityError: it is absent or not the file that training wrote.
    """
    try:
        content = store.get(candidate_key(candidate.run_id, file))
    except NotFound as error:
        raise IntegrityError(file, "a file of the candidate", "absent") from error
    actual, promised = sha256_hex(content), candidate.files.get(file, "nothing")
    if actual != promised:
        raise IntegrityError(file, promised, actual, hint="train the candidate again")
    return content


def read_days(
    store: ObjectStore, folder: str, period: Period
) -> tuple[list[pl.DataFrame], list[DatasetObject]]:
    """Read the Parquet object of each day of a period, where there is one.

    Returns:
        The frames, in order of the days, and what they were read from.

    Raises:
        InvalidFrame: an object is no Parquet, cut off or damaged.
    """
    frames, objects = [], []
    for key in day_keys(store, folder, period):
        content = store.get(key)
        objects.append(DatasetObject(key=key, sha256=sha256_hex(content), size=len(content)))
        frames.append(decode_frame(content, key))
    return frames, objects


def day_keys(store: ObjectStore, folder: str, period: Period) -> list[str]:
    """Return the keys of the days of a period that have an object, in order."""
    there = set(store.keys(f"{folder}/date="))
    days = (period.end - period.start).days
    wanted = [keys.partition(folder, period.start + timedelta(days=d)) for d in range(days)]
    return [key for key in wanted if key in there]


def describe(store: ObjectStore, wanted: Sequence[str]) -> list[DatasetObject]:
    """Return key, digest and size of objects."""
    described = []
    for key in wanted:
        content = store.get(key)
        described.append(DatasetObject(key=key, sha256=sha256_hex(content), size=len(content)))
    return described


def checkout(manifest: DatasetManifest, store: ObjectStore) -> dict[str, bytes]:
    """Read exactly the objects of a data set again.

    Returns:
        Content by key, in the manifest's order.

    Raises:
        IntegrityError: an object is gone or has changed since.
    """
    contents: dict[str, bytes] = {}
    for entry in manifest.objects:
        try:
            content = store.get(entry.key)
        except NotFound as error:
            raise IntegrityError(entry.key, entry.sha256, "absent") from error
        actual = sha256_hex(content)
        if actual != entry.sha256:
            hint = "the data changed after the training"
            raise IntegrityError(entry.key, entry.sha256, actual, hint=hint)
        contents[entry.key] = content
    return contents
