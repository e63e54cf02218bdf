import random
from bisect import bisect_right
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.contracts import keys
from cardfraud.errors import InvalidFrame
from cardfraud.features.definitions import FEATURE_NAMES, STORED_VIEWS
from cardfraud_pipelines.local import Endpoints
from tests.support.feature_stores import START, feature_store
from tests.support.stores import object_store

DAYS = 4
ASKED = 6_000
TTL = timedelta(days=1)
Stored = dict[str, dict[str, list[tuple[datetime, dict[str, float | None]]]]]


def write_values(endpoints: Endpoints, chance: random.Random) -> Stored:
    """Write random values of 2,000 transactions at random seconds, some with nulls; return them."""
    store = object_store(endpoints)
    stored: Stored = defaultdict(dict)
    for view in STORED_VIEWS:
        rows = []
        for number in range(2_000):
            if chance.random() < 0.1:
                continue  # this view has no value of it at all
            moments = {
                START + timedelta(seconds=chance.randrange(DAYS * 86_400) // 60 * 60)
                for _ in range(chance.choice((1, 1, 2, 3)))
            }
            stored[view.name][f"t{number}"] = [
                (
                    moment,
                    {
                        f.name: None if chance.random() < 0.2 else chance.randrange(1, 4096) / 8
                        for f in view.features
                    },
                )
                for moment in sorted(moments)
            ]
            rows += [
                {"transaction_id": f"t{number}", "event_timestamp": moment, **values}
                for moment, values in stored[view.name][f"t{number}"]
            ]
        chance.shuffle(rows)
        frame = pl.DataFrame(
            rows,
            schema={
                "transaction_id": pl.String,
                "event_timestamp": pl.Datetime("us", "UTC"),
                **{f.name: pl.Float32 for f in view.features},
            },
        )
        for (day,), part in frame.group_by(pl.col("event_timestamp").dt.date()):
            store.put_frame(keys.partition(keys.values_folder(view.name), day), part)
    return stored


def oracle(stored: Stored, transaction_id: str, asked: datetime) -> dict[str, float | None]:
    """Latest values not after a moment and within the ttl, by plain search."""
    answer: dict[str, float | None] = {}
    for view in STORED_VIEWS:
        known = stored[view.name].get(transaction_id, [])
        position = bisect_right([moment for moment, _ in known], asked) - 1
        found = position >= 0 and asked - known[position][0] <= TTL
        for feature in view.features:
            answer[feature.name] = known[position][1][feature.name] if found else None
    return answer


def test_a_training_set_loses_no_row_and_equals_the_oracle(endpoints: Endpoints) -> None:
    """Rows without a value yet, with expired ones, and several at one instant all come back."""
    chance = random.Random(20240304)
    store = feature_store(endpoints)
    store.apply()
    stored = write_values(endpoints, chance)
    asked = [
        (
            f"t{chance.randrange(2_100)}",
            START + timedelta(seconds=chance.randrange(-86_400, (DAYS + 1) * 86_400) // 60 * 60),
            chance.randrange(100_000),
        )
        for _ in range(ASKED - 500)
    ]
    asked += asked[:500]  # the very same rows again
    table = pl.DataFrame(
        asked,
        schema={
            "transaction_id": pl.String,
            "event_time": pl.Datetime("us", "UTC"),
            "amount_minor": pl.Int64,
        },
        orient="row",
    )
    settings = store.settings.model_copy(update={"training_chunk_rows": 2_500})
    found = FeatureStore(settings, object_store(endpoints).settings).training_set(table)

    assert found.columns == ["transaction_id", "event_time", *FEATURE_NAMES]
    assert found.select("transaction_id", "event_time").equals(
        table.select("transaction_id", "event_time")
    )
    expected = [oracle(stored, name, moment) for name, moment, _ in asked]
    kinds = {bool(row["total_transactions"] is None) for row in expected}
    assert kinds == {True, False}
    for view in STORED_VIEWS:
        for feature in view.features:
            assert found[feature.name].to_list() == [row[feature.name] for row in expected]
    for row, (_, moment, amount), want in zip(
        found.iter_rows(named=True), asked, expected, strict=True
    ):
        mean = want["avg_amount"]
        assert row["amount"] == pytest.approx(amount / 100)
        assert (row["hour_of_day"], row["day_of_week"]) == (moment.hour, moment.weekday())
        assert row["amount_over_avg"] == (
            None if mean is None else pytest.approx(amount / 100 / mean, rel=1e-6)
        )


def test_no_transactions_give_no_rows(endpoints: Endpoints) -> None:
    """An empty table is answered with an empty table of the same columns."""
    store = feature_store(endpoints)
    store.apply()
    empty = pl.DataFrame(
        schema={
            "transaction_id": pl.String,
            "event_time": pl.Datetime("us", "UTC"),
            "amount_minor": pl.Int64,
        }
    )
    assert store.training_set(empty).columns == ["transaction_id", "event_time", *FEATURE_NAMES]
    assert len(store.training_set(empty)) == 0


def test_a_wrong_column_is_named(endpoints: Endpoints) -> None:
    """Nanoseconds, or a column that is missing, are refused by the column's name."""
    store = feature_store(endpoints)
    store.apply()
    moment = datetime(2024, 3, 4, tzinfo=UTC)
    table = pl.DataFrame({"transaction_id": ["t1"], "event_time": [moment], "amount_minor": [1]})
    with pytest.raises(InvalidFrame, match="event_time"):
        store.training_set(table.with_columns(pl.col("event_time").dt.cast_time_unit("ns")))
    with pytest.raises(InvalidFrame, match="amount_minor"):
        store.training_set(table.drop("amount_minor"))


def test_a_view_without_values_is_named(endpoints: Endpoints) -> None:
    """Asking before anything was featurized says which folder is empty."""
    store = feature_store(endpoints)
    store.apply()
    table = pl.DataFrame({"transaction_id": ["t1"], "event_time": [START], "amount_minor": [1]})
    with pytest.raises(InvalidFrame, match="no partitions"):
        store.training_set(table)
