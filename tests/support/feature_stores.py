"""Feature stores on the session's servers, and small tables to fill them with."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import polars as pl

from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.transactions import Transaction
from cardfraud_pipelines.local import Endpoints
from tests.support.stores import object_store

EPOCH = date(1970, 1, 1)
START = datetime(2024, 3, 4, tzinfo=UTC)
"""A Monday."""


def feature_store(endpoints: Endpoints) -> FeatureStore:
    """Return a store whose project is the bucket's own, so that tests share Redis in peace."""
    settings = FeatureStoreSettings(
        project=endpoints.bucket.replace("-", "_"),
        redis_host=endpoints.redis_host,
        redis_port=endpoints.redis_port,
        redis_password=endpoints.redis_password,
    )
    return FeatureStore(settings, object_store(endpoints).settings)


def day_number(moment: datetime) -> int:
    """UTC day since 1970."""
    return (moment.date() - EPOCH).days


def transactions(rows: Iterable[tuple[str, datetime, str, str, int]]) -> pl.DataFrame:
    """Table of (transaction_id, event_time, user_id, merchant_id, amount_minor)."""
    return pl.DataFrame(
        list(rows),
        schema={
            "transaction_id": pl.String,
            "event_time": pl.Datetime("us", "UTC"),
            "user_id": pl.String,
            "merchant_id": pl.String,
            "amount_minor": pl.Int64,
        },
        orient="row",
    ).with_columns(currency=pl.lit("EUR"), segment=pl.lit(None, dtype=pl.String))


def labels(rows: Iterable[tuple[str, bool, datetime, int]] = ()) -> pl.DataFrame:
    """Table of (transaction_id, is_fraud, reported_at, revision)."""
    return pl.DataFrame(
        list(rows),
        schema={
            "transaction_id": pl.String,
            "is_fraud": pl.Boolean,
            "reported_at": pl.Datetime("us", "UTC"),
            "revision": pl.Int32,
        },
        orient="row",
    )


def put_days(store: ObjectStore, table: pl.DataFrame, marks: pl.DataFrame | None = None) -> None:
    """Write a table of transactions as validated days, and its labels as raw ones."""
    days = table.with_columns(day=pl.col("event_time").dt.date())
    for (day,), rows in days.group_by("day"):
        store.put_frame(keys.partition(keys.VALIDATED_TRANSACTIONS, day), rows.drop("day"))
    if marks is not None:
        dated = marks.join(days.select("transaction_id", "day"), on="transaction_id")
        for (day,), rows in dated.group_by("day"):
            store.put_frame(keys.partition(keys.RAW_LABELS, day), rows.drop("day"))


def record(
    transaction_id: str,
    when: datetime,
    user_id: str = "u1",
    merchant_id: str = "m1",
    amount_minor: int = 1_000,
) -> Transaction:
    """Return one transaction as the stream delivers it."""
    return Transaction.model_validate(
        {
            "transaction_id": transaction_id,
            "event_time": when,
            "user_id": user_id,
            "merchant_id": merchant_id,
            "amount": f"{amount_minor // 100}.{amount_minor % 100:02d}",
        }
    )


def history(count: int = 12, days: int = 6) -> pl.DataFrame:
    """Table of ``count`` transactions of two users at two merchants, over some days."""
    step = timedelta(days=days) / count
    return transactions(
        (f"t{i:03d}", START + i * step, f"u{i % 2 + 1}", f"m{i % 3 % 2 + 1}", 100 * (i + 1))
        for i in range(count)
    )
