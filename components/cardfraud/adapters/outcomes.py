"""The prediction log and the labels of its transactions, read and joined in one call."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.prediction_log import LoggedPredictions, read_predictions
from cardfraud.contracts import keys
from cardfraud.contracts.days import DayRange
from cardfraud.contracts.labels import LABEL_DELAY
from cardfraud.evaluation.outcomes import Outcomes, join_outcomes

if TYPE_CHECKING:
    import polars as pl


def read_outcomes(
    store: ObjectStore,
    model: str,
    days: DayRange,
    *,
    key: bytes,
    as_of: datetime,
    maturity: timedelta = LABEL_DELAY,
) -> tuple[LoggedPredictions, Outcomes]:
    """Read the decisions of some days of serving and join the labels known at ``as_of``.

    Args:
        store: holds the log and the labels.
        model: name of the model.
        days: of serving, UTC.
        key: of the hashes that stand for ids in the log.
        as_of: the moment, with a time zone.
        maturity: time after which a transaction without a label is legitimate.

    Raises:
        InvalidFrame: labels cannot be read or are not what they must be.
        Unavailable: the object store does not answer.
    """
    logged = read_predictions(store, model, days)
    labels = _labels(store, logged.frame)
    return logged, join_outcomes(logged.frame, labels, key=key, as_of=as_of, maturity=maturity)


def _labels(store: ObjectStore, predictions: pl.DataFrame) -> pl.DataFrame:
    """Labels of the days on which the transactions happened, whenever they were served."""
    import polars as pl

    from cardfraud.contracts.frames import LABEL_SCHEMA, require_schema

    happened = set(predictions["event_time"].dt.date())
    frames = [pl.DataFrame(schema=LABEL_SCHEMA)]
    listed = store.keys(f"{keys.RAW_LABELS}/date=")
    for day, key in keys.partitions(listed, keys.RAW_LABELS).items():
        if day in happened:
            frame = store.get_frame(key)
            require_schema(frame, LABEL_SCHEMA, key)
            frames.append(frame)
    return pl.concat(frames)
