from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from cardfraud.adapters.candidates import checkout
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.errors import InvalidFrame
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.steps.train.rows import read_splits
from cardfraud_pipelines.local import Endpoints
from tests.support.cards import DAYS, FIRST_DAY, Cards, cards
from tests.support.stores import object_store
from tests.support.training import config, days

TABLES = cards(users=30)


@pytest.fixture
def store(endpoints: Endpoints) -> ObjectStore:
    """Return a store with 42 days of transactions and labels."""
    store = object_store(endpoints)
    TABLES.store(store)
    return store


def test_every_split_holds_its_own_days(store: ObjectStore) -> None:
    """Rows of a split lie in its period, all of them, with float32 features in input order."""
    splits = read_splits(config(), store, TABLES)
    for rows, period in (
        (splits.train, days(0, 12)),
        (splits.validation, days(19, 26)),
        (splits.test, days(33, 42)),
    ):
        inside = TABLES.transactions.filter(
            pl.col("event_time").is_between(period.begins, period.ends, closed="left")
        )
        assert rows.frame["transaction_id"].to_list() == inside["transaction_id"].to_list()
        assert rows.features.dtype == np.float32
        assert rows.features.shape == (len(inside), len(FEATURE_NAMES))
        amount = rows.features[:, FEATURE_NAMES.index("amount")]
        assert np.array_equal(amount, (inside["amount_minor"] / 100).to_numpy().astype(np.float32))


def test_labels_are_those_known_at_the_training(endpoints: Endpoints) -> None:
    """A fraud reported after the training moment is legitimate for it; the test still sees it."""
    store = object_store(endpoints)
    late = TABLES.labels.with_columns(
        reported_at=pl.col("reported_at") + timedelta(days=60)
    ).with_columns(revision=pl.lit(2, dtype=pl.Int32), is_fraud=pl.lit(value=False))
    Cards(TABLES.transactions, pl.concat([TABLES.labels, late])).store(store)
    frauds = TABLES.labels["transaction_id"].implode()
    splits = read_splits(config(), store, TABLES)
    for rows in (splits.train, splits.validation, splits.test):
        known = rows.frame["transaction_id"].is_in(frauds).to_numpy()
        assert np.array_equal(rows.labels, known)
    judged_late = config(test_labels_as_of=config().judged_at + timedelta(days=60))
    with pytest.raises(InvalidFrame, match="test: 0 frauds"):
        read_splits(judged_late, store, TABLES)


def test_the_data_set_can_be_checked_out(store: ObjectStore) -> None:
    """The manifest names every object that was read, feature values too, and they come back."""
    value_key = keys.partition(keys.values_folder("user_windows_v1"), FIRST_DAY)
    store.put_frame(value_key, pl.DataFrame({"n": [1]}))
    dataset = read_splits(config(), store, TABLES).dataset
    contents = checkout(dataset, store)
    read_days = 12 + 7 + 9
    assert len(contents) == 2 * read_days + 1
    assert value_key in contents


def test_the_leaky_split_deals_all_rows_out_at_random(store: ObjectStore) -> None:
    """Each part is as large and as fraudulent as before, no row is lost, and days are mixed."""
    by_time = read_splits(config(), store, TABLES)
    leaky = read_splits(config(split="leaky_stratified"), store, TABLES)
    parts = list(zip((leaky.train, leaky.validation, leaky.test),
                     (by_time.train, by_time.validation, by_time.test), strict=True))  # fmt: skip
    for mixed, plain in parts:
        assert abs(len(mixed.labels) - len(plain.labels)) <= 2
        assert mixed.frame["event_time"].dt.date().n_unique() > 20
    assert sorted(i for mixed, _ in parts for i in mixed.frame["transaction_id"]) == sorted(
        i for _, plain in parts for i in plain.frame["transaction_id"]
    )
    shares = [mixed.labels.mean() for mixed, _ in parts]
    assert max(shares) - min(shares) < 0.003


def test_days_without_data_are_named(store: ObjectStore) -> None:
    """A period that nothing was ingested for is an error with its days."""
    with pytest.raises(InvalidFrame, match="no validated transactions in 2024-05"):
        read_splits(config(test=days(DAYS + 30, DAYS + 37)), store, TABLES)


class _Shuffling:
    """A feature store that gives right values in a wrong order, or not all of them."""

    def __init__(self, kept: float) -> None:
        self._kept = kept

    def training_set(self, transactions: pl.DataFrame) -> pl.DataFrame:
        """Return values of some rows in the reverse order."""
        values = TABLES.training_set(transactions).reverse()
        return values.head(int(len(values) * self._kept))


@pytest.mark.parametrize(
    ("kept", "message"), [(1.0, "not those that were asked"), (0.9, "rows of")]
)
def test_features_of_other_rows_are_refused(store: ObjectStore, kept: float, message: str) -> None:
    """Values that are lost or out of order are never trained on."""
    with pytest.raises(InvalidFrame, match=message):
        read_splits(config(), store, _Shuffling(kept))


def test_a_period_without_frauds_is_refused(endpoints: Endpoints) -> None:
    """A split of one class only cannot be learnt from or judged by, and says which it is."""
    store = object_store(endpoints)
    early = replace(TABLES, labels=TABLES.labels.filter(pl.col("transaction_id") < "t002500"))
    early.store(store)
    with pytest.raises(InvalidFrame, match="test: 0 frauds"):
        read_splits(config(), store, early)
