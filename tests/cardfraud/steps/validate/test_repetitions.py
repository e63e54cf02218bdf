import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.sources import Extract
from cardfraud.errors import DataRejected
from cardfraud.steps import ingest
from cardfraud.steps.validate import Limits, ValidateConfig, ValidationResult, run
from cardfraud.steps.validate.repetitions import repeated, with_conflicts
from cardfraud_pipelines.local import Endpoints
from tests.support.stores import object_store
from tests.support.transactions import DAY, NOON, TableSource, labels_of, transactions

NOW = datetime(2025, 1, 1, tzinfo=UTC)
ANYTHING = Limits(
    max_quarantine_share=1,
    mean_amount=(0, 1e9),
    std_amount=(0, 1e9),
    volume_ratio=(0, 1e9),
    allow_gaps=True,
)
FOLDERS = (keys.VALIDATED_TRANSACTIONS, keys.QUARANTINE_TRANSACTIONS)


@pytest.fixture
def store(endpoints: Endpoints) -> ObjectStore:
    """Return a store on a fresh bucket."""
    return object_store(endpoints)


def on(number: int) -> date:
    """Day by its number, from 0."""
    return DAY + timedelta(days=number)


def fill(store: ObjectStore, days: dict[int, list[str]], bad: Iterable[str] = ()) -> None:
    """Ingest days, by number, of rows with these identifiers; ``bad`` ones have bad amounts."""
    tables = {
        on(number): transactions(
            [
                {
                    "transaction_id": name,
                    "event_time": NOON + timedelta(days=number, minutes=minute),
                    "amount_minor": -1 if name in set(bad) else 1_000 + minute,
                }
                for minute, name in enumerate(names)
            ]
        )
        for number, names in days.items()
    }
    source = TableSource({day: Extract(rows, labels_of(rows)) for day, rows in tables.items()})
    ingest.run(ingest.IngestConfig(ingested_at=NOW), source, store)


def taken(store: ObjectStore) -> dict[str, bytes]:
    """Take all validated rows and the quarantine out of the store."""
    found = {key: store.get(key) for folder in FOLDERS for key in store.keys(f"{folder}/")}
    for key in found:
        store.delete(key)
    return found


def day_by_day(store: ObjectStore, config: ValidateConfig) -> Iterator[ValidationResult]:
    """Validate each raw day alone, in order."""
    for day in sorted(keys.partitions(store.keys("raw/"), keys.RAW_TRANSACTIONS)):
        yield run(config.model_copy(update={"start": day, "end": day}), store)


@pytest.mark.parametrize("seed", range(3))
def test_day_by_day_is_all_at_once(store: ObjectStore, seed: int) -> None:
    """The same bytes are validated and quarantined, however the days are cut.

    A world has few identifiers, so that most come again: on the same day, near, and too far back.
    """
    chance = random.Random(seed)
    names = [f"t{number}" for number in range(25)]
    days = {n: chance.choices(names, k=6) for n in sorted(chance.sample(range(14), 9))}
    fill(store, days, bad=chance.sample(names, 4))
    config = ValidateConfig(now=NOW, limits=ANYTHING, duplicate_days=chance.choice([0, 1, 3, 14]))
    whole = run(config, store)
    at_once = taken(store)
    single = list(day_by_day(store, config))
    assert taken(store) == at_once
    assert [count for result in single for count in result.days] == list(whole.days)
    middle = sorted(days)[4]
    run(config.model_copy(update={"end": on(middle)}), store)
    run(config.model_copy(update={"start": on(middle + 1)}), store)
    assert taken(store) == at_once


@pytest.mark.parametrize(("within", "kept"), [(1, 2), (2, 1)])
def test_an_identifier_of_an_earlier_day_is_a_conflict(
    store: ObjectStore, within: int, kept: int
) -> None:
    """The daily run sees an identifier of days before, as far back as it is told to look."""
    fill(store, {0: ["a", "b"], 2: ["a", "c"]})
    config = ValidateConfig(now=NOW, start=on(2), end=on(2), limits=ANYTHING, duplicate_days=within)
    result = run(config, store)
    assert (result.rows_in, result.kept) == (2, kept)
    assert dict(result.reasons) == ({} if kept == 2 else {"conflicting_duplicate": 1})


def failures(store: ObjectStore, config: ValidateConfig) -> list[str]:
    """Sentences for which a run is rejected, or none."""
    try:
        run(config, store)
    except DataRejected as error:
        return list(error.failures)
    return []


def test_gaps_and_volumes_are_told_however_the_days_are_cut(store: ObjectStore) -> None:
    """A missing day, and a day of unusual volume, stop the daily run as they stop the whole."""
    sizes = dict.fromkeys(range(20), 4) | {9: 40, 17: 40}
    del sizes[12], sizes[13]
    fill(store, {n: [f"t{n}-{i}" for i in range(size)] for n, size in sizes.items()})
    limits = ANYTHING.model_copy(update={"volume_ratio": (0.25, 4.0), "allow_gaps": False})
    config = ValidateConfig(now=NOW, limits=limits, duplicate_days=2)
    whole = failures(store, config)
    assert [sentence[:34] for sentence in whole] == [
        "there is no data of 2024-03-13 to ",
        "2024-03-10 has 40 rows, the days b",
        "2024-03-18 has 40 rows, the days b",
    ]
    days = [{"start": on(n), "end": on(n)} for n in sizes]
    single = [s for day in days for s in failures(store, config.model_copy(update=day))]
    assert sorted(single) == sorted(whole)


def test_an_unusable_day_before_stops_the_run(store: ObjectStore) -> None:
    """A damaged day that the rows must be held against is told, and what to do about it."""
    fill(store, {0: ["a"], 1: ["b"]})
    store.put(keys.partition(keys.RAW_TRANSACTIONS, on(0)), b"x")
    config = ValidateConfig(now=NOW, start=on(1), limits=ANYTHING)
    with pytest.raises(DataRejected, match=r"date=2024-03-01/part-0\.parquet") as caught:
        run(config, store)
    assert "ingest these days again" in caught.value.hint
    assert run(config.model_copy(update={"duplicate_days": 0}), store).kept == 1


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 9)), max_size=30),
    st.integers(0, 10),
)
def test_a_row_repeats_what_lies_near_before_it(
    rows: list[tuple[str | None, int]], within: int
) -> None:
    """A row repeats exactly the earlier rows of its identifier of at most so many days before."""
    rows.sort(key=lambda row: row[1])
    frame = pl.DataFrame(
        [(name, on(day)) for name, day in rows],
        schema={"transaction_id": pl.String, "day": pl.Date},
        orient="row",
    )
    expected = [
        name is not None
        and any(other == name and day - then <= within for other, then in rows[:place])
        for place, (name, day) in enumerate(rows)
    ]
    assert repeated(frame, within).to_list() == expected


def test_a_conflict_joins_the_other_reasons() -> None:
    """A conflict stands alone, or among the row's other reasons in alphabetic order."""
    marked = pl.DataFrame({"reason": [None, None, "a: x; user_id: y", "b: z"]})
    found = with_conflicts(marked, pl.Series([False, True, True, False]))["reason"].to_list()
    assert found == [
        None,
        "conflicting_duplicate",
        "a: x; conflicting_duplicate; user_id: y",
        "b: z",
    ]
