import io
from collections.abc import Callable
from datetime import date, timedelta

import polars as pl
import pytest

from cardfraud.adapters.object_store import ObjectStore, encode_frame
from cardfraud.adapters.prediction_log import read_predictions
from cardfraud.contracts import keys
from cardfraud.contracts.days import DayRange
from cardfraud.contracts.frames import PREDICTION_SCHEMA
from cardfraud.contracts.telemetry import ServedVersions, hashed
from cardfraud.errors import InvalidSetting
from cardfraud_pipelines.local import Endpoints
from tests.support.predictions import LOG_KEY, SERVED_AT, VERSIONS, decisions, write_log
from tests.support.stores import object_store

DAY = SERVED_AT.date()
TODAY = DayRange(start=DAY, end=DAY)


@pytest.fixture
def store(endpoints: Endpoints) -> ObjectStore:
    """A bucket of this test's own."""
    return object_store(endpoints)


def hashes(ids: str) -> list[str]:
    """Of ids of one letter each."""
    return [hashed(one, LOG_KEY) for one in ids]


def test_rows_come_as_they_were_logged(store: ObjectStore) -> None:
    """Every column has its declared type and the value that the server had."""
    write_log(store, decisions("ab", scores=[0.25, 0.75]), decisions("c"))
    read = read_predictions(store, "fraud", TODAY)
    assert dict(read.frame.schema) == PREDICTION_SCHEMA
    assert read.frame["transaction_key"].to_list() == hashes("abc")
    assert read.frame["score"].to_list() == [0.25, 0.75, None]
    assert read.frame["vector"].to_list() == [pytest.approx([0.1, 2.0])] * 3
    assert read.frame["rule_values"].to_list() == [[{"name": "amount", "value": 57.16}]] * 3
    assert read.frame["served_at"].to_list() == [SERVED_AT] * 3
    assert (read.files, read.repeated, read.set_aside) == (1, 0, ())


def test_only_the_days_that_were_asked_for_are_read(store: ObjectStore) -> None:
    """Both ends belong to the range, and either may be open."""
    for number in range(4):
        write_log(store, decisions("abcd"[number], served_at=SERVED_AT + timedelta(days=number)))

    def between(start: int | None, end: int | None) -> list[str]:
        first = None if start is None else DAY + timedelta(days=start)
        last = None if end is None else DAY + timedelta(days=end)
        read = read_predictions(store, "fraud", DayRange(start=first, end=last))
        return read.frame["transaction_key"].to_list()

    assert between(1, 2) == hashes("bc")
    assert between(2, None) == hashes("cd")
    assert between(None, 0) == hashes("a")
    assert between(None, None) == hashes("abcd")


def test_a_decision_counts_once_as_it_was_served_first(store: ObjectStore) -> None:
    """One transaction on another track, or by another bundle, is another decision."""
    later = SERVED_AT + timedelta(seconds=1)
    shadow = ServedVersions("shadow", "sha256-b", "sha256-p", "sha256:f", ("amount",))
    newer = ServedVersions("stable", "sha256-c", "sha256-p", "sha256:f", ("amount",))
    write_log(store, decisions("a", served_at=later, decided="decline"), writer="0" * 32)
    write_log(store, decisions("a", decided="approve"), writer="1" * 32)
    write_log(store, decisions("a", versions=shadow), decisions("a", versions=newer), number=1)
    read = read_predictions(store, "fraud", TODAY)
    assert read.repeated == 1
    found = read.frame.select("track", "bundle", "decision").rows()
    assert sorted(found) == [
        ("shadow", "sha256-b", "review"),
        ("stable", "sha256-b", "approve"),
        ("stable", "sha256-c", "review"),
    ]


def test_files_of_version_1_stay_readable(store: ObjectStore) -> None:
    """What they did not have is null; everything else is as it was."""
    key = write_log(store, decisions("ab", scores=[0.25, 0.75]))
    old = store.get_frame(key).drop("rule_values").with_columns(schema_version=pl.lit(1, pl.Int32))
    store.put_frame(key, old)
    write_log(store, decisions("c"), number=1)
    frame = read_predictions(store, "fraud", TODAY).frame
    assert frame["schema_version"].to_list() == [1, 1, 2]
    assert frame["rule_values"].is_null().to_list() == [True, True, False]
    assert frame["score"].to_list() == [0.25, 0.75, None]


def test_files_of_a_later_version_are_read_without_what_is_new(store: ObjectStore) -> None:
    """A reader that is older than the servers uses the columns that it knows."""
    key = write_log(store, decisions("ab"))
    new = store.get_frame(key).with_columns(
        schema_version=pl.lit(3, pl.Int32), colour=pl.lit("red")
    )
    store.put_frame(key, new)
    read = read_predictions(store, "fraud", TODAY)
    assert read.frame["transaction_key"].to_list() == hashes("ab")
    assert dict(read.frame.schema) == PREDICTION_SCHEMA


def test_a_file_without_rows_is_a_file(store: ObjectStore) -> None:
    """It stands for rows that a killed process did not write."""
    key = write_log(store, decisions("a"))
    store.put_frame(key, store.get_frame(key).clear())
    read = read_predictions(store, "fraud", TODAY)
    assert (len(read.frame), read.files, read.set_aside) == (0, 1, ())


def changed(**columns: pl.Expr) -> Callable[[bytes], bytes]:
    """Return what changes columns of a file."""
    return lambda whole: encode_frame(pl.read_parquet(io.BytesIO(whole)).with_columns(**columns))


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda whole: b"", "cannot be read as Parquet"),
    "cut off": (lambda whole: whole[:-20], "cannot be read as Parquet"),
    "another table": (
        lambda whole: encode_frame(pl.DataFrame({"x": [1]})), "no column schema_version",
    ),
    "a column of another type": (changed(score=pl.lit("high")), "score is String"),
    "a column too many": (changed(card=pl.lit("4111")), "column card is unknown"),
    "an impossible score": (changed(score=pl.lit(1.5, pl.Float32)), "no probability"),
    "a score that is no number": (
        changed(score=pl.lit(float("nan"), pl.Float32)), "no probability",
    ),
    "no bundle": (changed(bundle=pl.lit(None, pl.String)), "a null"),
    "an unknown decision": (changed(decision=pl.lit("maybe")), "a decision that there is not"),
    "another day": (
        changed(served_at=pl.col("served_at") + timedelta(days=1)), "rows of another day",
    ),
    "no version": (changed(schema_version=pl.lit(0, pl.Int32)), "schema version"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside_with_a_reason(store: ObjectStore, damage: str) -> None:
    """Nothing of it is used, and all other files are."""
    change, reason = DAMAGES[damage]
    key = write_log(store, decisions("ab"))
    store.put(key, change(store.get(key)))
    write_log(store, decisions("c"), number=1)
    read = read_predictions(store, "fraud", TODAY)
    assert read.frame["transaction_key"].to_list() == hashes("c")
    assert [one.key for one in read.set_aside] == [key]
    assert reason in read.set_aside[0].reason
    assert list(read.reasons().values()) == [1]


def test_a_stranger_s_file_is_set_aside(store: ObjectStore) -> None:
    """Whoever put a table of the right form there did not write the log."""
    key = write_log(store, decisions("ab"))
    store.put(f"predictions/fraud/date={DAY}/part-0.parquet", store.get(key))
    store.put(f"predictions/fraud/date={DAY}/notes.txt", b"hello")
    read = read_predictions(store, "fraud", TODAY)
    assert len(read.frame) == 2
    assert read.reasons() == {"the name is not one of the log's": 2}


def test_no_log_is_an_empty_frame(store: ObjectStore) -> None:
    """With all columns, so that what comes after needs no case of its own."""
    read = read_predictions(store, "fraud", DayRange(start=date(2020, 1, 1), end=date(2020, 1, 3)))
    assert dict(read.frame.schema) == PREDICTION_SCHEMA
    assert len(read.frame) == 0


def test_a_model_s_name_is_no_path(store: ObjectStore) -> None:
    """A name that would read elsewhere is refused."""
    with pytest.raises(InvalidSetting, match="model"):
        read_predictions(store, "fraud/../../raw", TODAY)


def test_the_log_s_keys_say_their_day() -> None:
    """The day of a key is read back from it, and from no other key."""
    key = keys.predictions("fraud", DAY, VERSIONS.track.ljust(32, "0"), 7)
    assert keys.predictions_day(key) is None
    assert keys.predictions_day(keys.predictions("fraud", DAY, "f" * 32, 7)) == DAY
    assert keys.predictions_day(key.replace("date=2026-03", "date=2026-13")) is None
