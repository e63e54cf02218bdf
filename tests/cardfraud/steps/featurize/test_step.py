from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
from pydantic import ValidationError

from cardfraud.contracts import keys
from cardfraud.errors import IntegrityError, InvalidFrame, NotFound
from cardfraud.features import batch, values
from cardfraud.features.definitions import FEATURE_NAMES, STORED_VIEWS, feature_set_digest
from cardfraud.steps.featurize.__main__ import main
from cardfraud.steps.featurize.config import FeaturizeConfig, FeaturizeResult
from cardfraud.steps.featurize.step import run
from cardfraud_pipelines.local import Endpoints
from tests.support.feature_stores import START, feature_store, history, labels, put_days
from tests.support.stores import object_store

FIRST = START.date()
CONFIG = FeaturizeConfig(start=FIRST, end=FIRST + timedelta(days=6))


def test_the_values_are_the_definitions_values(endpoints: Endpoints) -> None:
    """What a training set reads back is what the definitions say, to the last bit of float32."""
    objects, store, table = object_store(endpoints), feature_store(endpoints), history(40)
    marks = labels([("t001", True, START + timedelta(days=1), 0)])
    store.apply()
    put_days(objects, table, marks)
    calls: list[tuple[int, int]] = []
    result = run(CONFIG, objects, store, lambda done, total: calls.append((done, total)))
    assert (result.rows, result.rows_read) == (40, 40)
    assert result.feature_set == feature_set_digest()
    assert calls[-1] == (6 * len(STORED_VIEWS), 6 * len(STORED_VIEWS))
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=3)
    found = store.training_set(shuffled)
    expected = values.vector(batch.all_values(shuffled, marks))
    assert np.array_equal(values.vector(batch.vector_from_frame(found, FEATURE_NAMES)), expected)


def test_featurizing_again_writes_the_same_bytes(endpoints: Endpoints) -> None:
    """A rerun, of some days only or of rows in another order, gives the same names and bytes."""
    objects, store = object_store(endpoints), feature_store(endpoints)
    store.apply()
    put_days(objects, history(40))
    run(CONFIG, objects, store)
    before = {key: objects.get(key) for key in objects.keys("features/")}
    put_days(objects, history(40).sample(fraction=1.0, shuffle=True, seed=5))
    run(CONFIG, objects, store)
    some = CONFIG.model_copy(update={"start": FIRST + timedelta(days=3)})
    assert len(run(some, objects, store).days) == 3
    assert {key: objects.get(key) for key in objects.keys("features/")} == before
    assert len(before) == 6 * len(STORED_VIEWS) + 2


def test_only_the_days_that_were_asked_for_are_written(endpoints: Endpoints) -> None:
    """Later days are neither read nor written, so that the future cannot be seen."""
    objects, store = object_store(endpoints), feature_store(endpoints)
    store.apply()
    put_days(objects, history(40))
    day = FIRST + timedelta(days=2)
    result = run(FeaturizeConfig(start=day, end=day), objects, store)
    assert result.days == (day,)
    written = set(objects.keys("features/values/"))
    assert written == {keys.partition(keys.values_folder(v.name), day) for v in STORED_VIEWS}
    assert result.rows_read == history(40).filter(pl.col("event_time").dt.date() <= day).height


def test_a_store_that_was_not_applied_is_refused(endpoints: Endpoints) -> None:
    """Values are not written for a registry of other definitions, or of none."""
    objects = object_store(endpoints)
    put_days(objects, history())
    with pytest.raises(IntegrityError):
        run(CONFIG, objects, feature_store(endpoints))
    assert list(objects.keys("features/")) == []


def test_no_validated_day_is_said_so(endpoints: Endpoints) -> None:
    """Without validated transactions the step says which step comes first."""
    store = feature_store(endpoints)
    store.apply()
    with pytest.raises(NotFound, match="run the validate step first"):
        run(CONFIG, object_store(endpoints), store)


@pytest.mark.parametrize("folder", [keys.VALIDATED_TRANSACTIONS, keys.RAW_LABELS])
@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda rows: rows.drop("transaction_id"), "column transaction_id is missing"),
        (lambda rows: rows.with_columns(colour=1), "column colour is unknown"),
        (
            lambda rows: rows.with_columns(transaction_id=pl.lit(1)),
            "column transaction_id is Int32 instead of String",
        ),
        (
            lambda rows: rows.with_columns(cs.datetime().dt.replace_time_zone(None)),
            r"instead of Datetime\(time_unit='us', time_zone='UTC'\)",
        ),
        (
            lambda rows: rows.with_columns(cs.datetime().dt.cast_time_unit("ms")),
            r"instead of Datetime\(time_unit='us', time_zone='UTC'\)",
        ),
    ],
    ids=["missing", "unknown", "type", "naive", "milliseconds"],
)
def test_a_day_in_other_columns_is_told(
    endpoints: Endpoints,
    folder: str,
    damage: Callable[[pl.DataFrame], pl.DataFrame],
    sentence: str,
) -> None:
    """A day that another writer left in other columns or types is refused by key and column."""
    objects, store = object_store(endpoints), feature_store(endpoints)
    store.apply()
    put_days(objects, history(40), labels([("t001", True, START, 0)]))
    key = keys.partition(folder, FIRST)
    objects.put_frame(key, damage(objects.get_frame(key)))
    with pytest.raises(InvalidFrame, match=sentence) as caught:
        run(CONFIG, objects, store)
    assert caught.value.message.startswith(f"{key}: ")
    assert list(objects.keys("features/")) == []


def test_keys_of_others_are_passed_over(endpoints: Endpoints) -> None:
    """Objects that somebody left between the partitions are neither read nor joined."""
    objects, store = object_store(endpoints), feature_store(endpoints)
    store.apply()
    put_days(objects, history(40), labels([("t001", True, START, 0)]))
    for view in STORED_VIEWS:
        objects.put(f"{keys.values_folder(view.name)}/a.parquet", b"x")
    for folder in (keys.VALIDATED_TRANSACTIONS, keys.RAW_LABELS):
        objects.put(f"{folder}/date=nonsense/x.parquet", b"x")
        objects.put(f"{folder}/readme.txt", b"x")
    assert run(CONFIG, objects, store).rows == 40
    assert len(store.training_set(history(40))) == 40
    early = history(40).with_columns(pl.col("event_time") - timedelta(days=90))
    assert len(store.training_set(early)) == 40


def test_the_command_does_the_whole_step(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The module applies the registry, writes values, materializes, and prints its result."""
    put_days(object_store(endpoints), history(40))
    store = feature_store(endpoints)
    for name, value in {
        "CARDFRAUD_FEAST_PROJECT": store.settings.project,
        "CARDFRAUD_FEAST_REDIS_HOST": endpoints.redis_host,
        "CARDFRAUD_FEAST_REDIS_PORT": str(endpoints.redis_port),
        "CARDFRAUD_FEAST_REDIS_PASSWORD": endpoints.redis_password,
        "CARDFRAUD_S3_BUCKET": endpoints.bucket,
        "CARDFRAUD_S3_ENDPOINT_URL": endpoints.s3_url,
        "CARDFRAUD_S3_ACCESS_KEY_ID": endpoints.s3_access_key,
        "CARDFRAUD_S3_SECRET_ACCESS_KEY": endpoints.s3_secret_key,
    }.items():
        monkeypatch.setenv(name, value)
    days = ["--start", str(CONFIG.start), "--end", str(CONFIG.end)]
    assert main([*days, "--materialize"]) == 0
    printed = capsys.readouterr().out
    result = FeaturizeResult.model_validate_json(printed)
    assert result.rows == 40
    assert printed == f"{result.model_dump_json(indent=2)}\n"
    assert store.read_online(["u1"], ["m1"])[0].history is not None
    assert main(["--start", "2000-01-01", "--end", "2000-01-02"]) == 1
    assert "run the validate step first" in capsys.readouterr().err
    assert main(["--start", "2000-01-02", "--end", "2000-01-01"]) == 1
    assert "end must not be before start" in capsys.readouterr().err


@pytest.mark.parametrize(
    "fields",
    [
        {"start": date(2024, 3, 2), "end": date(2024, 3, 1)},
        {"start": FIRST, "end": FIRST, "snapshot_day": FIRST + timedelta(days=2)},
    ],
)
def test_days_that_make_no_sense_are_refused(fields: dict[str, date]) -> None:
    """An end before the start, or a snapshot of days that are not read, is an error."""
    with pytest.raises(ValidationError):
        FeaturizeConfig(**fields)
