"""What the labels say last: the one rule by which a revision counts."""

from __future__ import annotations

import polars as pl


def latest_labels(labels: pl.DataFrame) -> pl.DataFrame:
    """The last word on each transaction: transaction_id and is_fraud, in no order.

    Args:
        labels: the revisions that may be seen; of one transaction the highest revision counts, and
            of equal ones the last reported.
    """
    return (
        labels.sort("revision", "reported_at")
        .unique("transaction_id", keep="last")
        .select("transaction_id", "is_fraud")
    )
