"""What became of logged decisions: the prediction log joined to labels that have settled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cardfraud.contracts.labels import LABEL_DELAY
from cardfraud.contracts.telemetry import Pseudonyms
from cardfraud.evaluation.maturity import matured_rows

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Logged decisions by whether one knows yet what they were about.

    Attributes:
        matured: the log's columns and ``is_fraud``, in the log's order.
        immature: decisions that are too young, without labels, also where a fraud is known already.
        labelled: of the matured rows those that have a label of their own; the others count as
            legitimate. Zero where there should be some means that the key is another one.
    """

    matured: pl.DataFrame
    immature: pl.DataFrame
    labelled: int


def join_outcomes(
    predictions: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    key: bytes,
    as_of: datetime,
    maturity: timedelta = LABEL_DELAY,
) -> Outcomes:
    """Join labels to logged decisions, as both were known at ``as_of``.

    The rule is that of :func:`~cardfraud.evaluation.maturity.matured_rows`: a decision counts once
    ``maturity`` has passed since its event; of the labels reported by then the highest revision
    decides; without any the transaction is legitimate.

    Args:
        predictions: rows of the log, as the reader returns them.
        labels: all revisions of all labels, with the transactions' ids.
        key: of the hashes that stand for ids in the log.
        as_of: the moment, with a time zone.
        maturity: time after which a transaction without a label is legitimate.
    """
    import polars as pl

    reported = labels.filter(pl.col("reported_at") <= as_of)
    hashes = pl.Series(Pseudonyms(key).of(reported["transaction_id"]), dtype=pl.String)
    joined = matured_rows(
        predictions.rename({"transaction_key": "transaction_id"}),
        reported.with_columns(transaction_id=hashes),
        as_of=as_of,
        maturity=maturity,
    )
    matured = joined.frame.rename({"transaction_id": "transaction_key"})
    return Outcomes(
        matured=matured,
        immature=predictions.filter(pl.col("event_time") + maturity > as_of),
        labelled=int(matured["transaction_key"].is_in(hashes.implode()).sum()),
    )
