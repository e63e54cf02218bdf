from datetime import date, timedelta

import polars as pl
import pytest

from cardfraud.adapters.candidates import (
    checkout,
    read_candidate,
    read_candidate_file,
    read_days,
    write_candidate,
)
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.candidate import Candidate, DatasetManifest, Period
from cardfraud.errors import IntegrityError, InvalidFrame, NotFound
from cardfraud_pipelines.local import Endpoints
from tests.support.stores import object_store

PERIOD = Period(start=date(2024, 3, 1), end=date(2024, 3, 4))
RUN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def store(endpoints: Endpoints) -> ObjectStore:
    """Return a store with three days of a table, and a day on either side."""
    store = object_store(endpoints)
    for n in range(5):
        day = date(2024, 2, 29) + timedelta(days=n)
        store.put_frame(keys.partition("table", day), pl.DataFrame({"n": [n]}))
    return store


def _manifest(store: ObjectStore) -> DatasetManifest:
    _, objects = read_days(store, "table", PERIOD)
    return DatasetManifest(start=PERIOD.start, end=PERIOD.end, objects=tuple(objects))


def _candidate() -> Candidate:
    return Candidate.model_validate(
        {
            "run_id": RUN,
            "tracked_model": "m-1",
            "model": "fraud",
            "algorithm": "random_forest",
            "split": "time",
            "train": PERIOD.model_dump(),
            "validation": PERIOD.model_dump(),
            "test": PERIOD.model_dump(),
            "validation_average_precision": 0.5,
            "files": {},
        }
    )


def test_the_days_of_a_period_are_read_and_no_others(store: ObjectStore) -> None:
    """The first day is in, the last is out, and a folder that begins alike is not looked at."""
    store.put_frame(keys.partition("table_2", date(2024, 3, 2)), pl.DataFrame({"n": [9]}))
    frames, objects = read_days(store, "table", PERIOD)
    assert pl.concat(frames)["n"].to_list() == [1, 2, 3]
    assert [entry.key for entry in objects] == [
        keys.partition("table", date(2024, 3, d)) for d in (1, 2, 3)
    ]


def test_a_truncated_object_is_named(store: ObjectStore) -> None:
    """Half a Parquet file is an error that names the object."""
    key = keys.partition("table", date(2024, 3, 2))
    store.put(key, store.get(key)[:100])
    with pytest.raises(InvalidFrame, match="2024-03-02"):
        read_days(store, "table", PERIOD)


def test_a_data_set_can_be_checked_out_again(store: ObjectStore) -> None:
    """The manifest gives the very bytes back."""
    manifest = _manifest(store)
    contents = checkout(manifest, store)
    assert list(contents) == [entry.key for entry in manifest.objects]
    assert all(contents[key] == store.get(key) for key in contents)


def test_a_checkout_refuses_changed_bytes(store: ObjectStore) -> None:
    """An object that was written again with other rows, or deleted, is refused by its key."""
    manifest = _manifest(store)
    key = manifest.objects[1].key
    store.put_frame(key, pl.DataFrame({"n": [7]}))
    with pytest.raises(IntegrityError, match="2024-03-02"):
        checkout(manifest, store)
    store.delete(key)
    with pytest.raises(IntegrityError, match="absent"):
        checkout(manifest, store)


def test_a_candidate_and_its_files_come_back(store: ObjectStore) -> None:
    """What was written is read, with the digests of its files."""
    write_candidate(store, _candidate(), {"model.onnx": b"graph", "lineage.json": b"{}"})
    candidate = read_candidate(store, RUN)
    assert read_candidate_file(store, candidate, "model.onnx") == b"graph"
    assert set(candidate.files) == {"model.onnx", "lineage.json"}


def test_a_changed_file_of_a_candidate_is_refused(store: ObjectStore) -> None:
    """A file that is not the one that training wrote, or that it did not write, is refused."""
    candidate = write_candidate(store, _candidate(), {"model.onnx": b"graph"})
    store.put(f"candidates/{RUN}/model.onnx", b"graps")
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        read_candidate_file(store, candidate, "model.onnx")
    store.put(f"candidates/{RUN}/other.json", b"{}")
    with pytest.raises(IntegrityError, match=r"other\.json"):
        read_candidate_file(store, candidate, "other.json")


def test_a_candidate_whose_training_was_cut_off_does_not_exist(store: ObjectStore) -> None:
    """Files without their list are no candidate."""
    store.put(f"candidates/{RUN}/model.onnx", b"graph")
    with pytest.raises(NotFound, match="candidate"):
        read_candidate(store, RUN)
