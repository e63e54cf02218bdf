"""Small tables of transactions with frauds that can be learnt, and their features."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.features.batch import all_values
from cardfraud.features.definitions import FEATURE_NAMES

FIRST_DAY = date(2024, 3, 1)
DAYS = 42


@dataclass(frozen=True)
class Cards:
    """Transactions and all revisions of their labels."""

    transactions: pl.DataFrame
    labels: pl.DataFrame

    def training_set(self, transactions: pl.DataFrame) -> pl.DataFrame:
        """Return feature values computed from these tables, as a feature store would."""
        values = all_values(self.transactions, self.labels)
        frame = self.transactions.select("transaction_id").with_columns(
            pl.Series(name, values[name].astype(np.float32), nan_to_null=True)
            for name in FEATURE_NAMES
        )
        return transactions.select("transaction_id", "event_time").join(
            frame, on="transaction_id", how="left", maintain_order="left"
        )

    def store(self, store: ObjectStore) -> None:
        """Write both tables as validated partitions of days."""
        events = self.transactions.select("transaction_id", day=pl.col("event_time").dt.date())
        labels = self.labels.join(events, on="transaction_id")
        for offset in range(DAYS):
            day = FIRST_DAY + timedelta(days=offset)
            rows = self.transactions.filter(pl.col("event_time").dt.date() == day)
            store.put_frame(keys.partition(keys.VALIDATED_TRANSACTIONS, day), rows)
            known = labels.filter(pl.col("day") == day).drop("day")
            store.put_frame(keys.partition(keys.RAW_LABELS, day), known)


def cards(
    *, seed: int = 7, users: int = 80, fraud_share: float = 0.03, segments: bool = False
) -> Cards:
    """Return 42 days of some users' transactions; frauds are larger than the user's others."""
    random = np.random.default_rng(seed)
    rows = users * DAYS * 3
    user = random.integers(0, users, rows)
    second = np.sort(random.integers(0, DAYS * 86_400, rows))
    fraud = random.random(rows) < fraud_share
    usual = random.uniform(1_000, 6_000, users)[user]
    amount = (
        usual * random.lognormal(0, 0.4, rows) * np.where(fraud, random.uniform(1.5, 6, rows), 1)
    )
    begin = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
    times = [begin + timedelta(seconds=int(s)) for s in second]
    identifiers = [f"t{i:06d}" for i in range(rows)]
    transactions = pl.DataFrame(
        {
            "transaction_id": identifiers,
            "event_time": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "user_id": [f"u{u}" for u in user],
            "merchant_id": [f"m{m}" for m in random.integers(0, 40, rows)],
            "amount_minor": pl.Series(amount.astype(np.int64), dtype=pl.Int64),
            "currency": ["EUR"] * rows,
            "segment": pl.Series(
                ["new" if u % 2 else "old" for u in user] if segments else [None] * rows,
                dtype=pl.String,
            ),
        }
    )
    labels = transactions.select(
        "transaction_id",
        is_fraud=pl.Series(fraud),
        reported_at=pl.col("event_time") + timedelta(days=3),
        revision=pl.lit(1, dtype=pl.Int32),
    )
    return Cards(transactions, labels.filter(pl.col("is_fraud")))
