"""The features that our servers compute, over data in the handbook's schema."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cardfraud.contracts.labels import LABEL_DELAY
from cardfraud.contracts.transactions import MINOR_UNITS
from cardfraud.features.batch import all_values
from cardfraud.features.values import vector
from cardfraud_pipelines.scorecard.dataset import Dataset


def own_features(data: Dataset) -> NDArray[np.float32]:
    """Return the model's input, ``[N, F]``, each row as known just before its transaction.

    The handbook's labels carry no date of report; as in its protocol they are taken to be known
    seven days after the event.
    """
    transactions = pl.DataFrame(
        {
            "transaction_id": pl.Series(data.transaction).cast(pl.String),
            "event_time": _utc(data.second),
            "user_id": pl.Series(data.customer).cast(pl.String),
            "merchant_id": pl.Series(data.terminal).cast(pl.String),
            "amount_minor": np.rint(data.amount * MINOR_UNITS).astype(np.int64),
        }
    ).with_columns(currency=pl.lit("EUR"), segment=pl.lit(None, dtype=pl.String))
    labels = pl.DataFrame(
        {
            "transaction_id": transactions["transaction_id"],
            "is_fraud": data.fraud,
            "reported_at": _utc(data.second + int(LABEL_DELAY.total_seconds())),
            "revision": np.ones(len(data), dtype=np.int32),
        }
    )
    return vector(all_values(transactions, labels))


def _utc(seconds: NDArray[np.int64]) -> pl.Series:
    return pl.Series(seconds * 1_000_000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
