"""The daily job: state snapshots as of a midnight, and their way into the online store."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import numpy as np
import polars as pl

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.features import StateView
from cardfraud.errors import NotFound
from cardfraud.features.definitions import MERCHANT_STATE, USER_HISTORY_STATE
from cardfraud.features.merchant_state import RISK_TILE, MerchantState
from cardfraud.features.snapshot import merchant_snapshot, user_snapshot
from cardfraud.features.tiles import DAY_TILE, HOUR_TILE
from cardfraud.features.user_history import UserHistory
from cardfraud.steps.featurize.config import SnapshotResult
from cardfraud.steps.featurize.reading import read_labels, read_transactions

_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_EPOCH: Final = date(1970, 1, 1)


def midnight(day: date) -> datetime:
    """The moment at which a UTC day begins."""
    return datetime.combine(day, time(), UTC)


def run_daily(store: ObjectStore, feature_store: FeatureStore, day: date) -> SnapshotResult:
    """Write the snapshots as of a day's midnight and bring them into the online store.

    Running it again changes nothing unless the data before that midnight changed; then the new
    snapshot replaces the old one, here and online. It never replaces a later day's snapshot.

    Args:
        store: holds validated transactions and labels.
        feature_store: its registry must be of this feature set.
        day: UTC day.

    Raises:
        NotFound: there are no validated transactions before ``day``.
        IntegrityError: the feature store is of another feature set.
    """
    feature_store.check()
    before = day - _DAY
    result = write_snapshots(
        store, day, read_transactions(store, before), read_labels(store, before)
    )
    materialize_day(feature_store, day)
    return result


def materialize_day(feature_store: FeatureStore, day: date) -> None:
    """Bring the snapshots as of a day's midnight into the online store."""
    feature_store.materialize(midnight(day), midnight(day) + _DAY - _MICROSECOND)


def write_snapshots(
    store: ObjectStore, day: date, transactions: pl.DataFrame, labels: pl.DataFrame
) -> SnapshotResult:
    """Write one day's snapshots of users and merchants.

    Args:
        store: takes them.
        day: UTC day whose midnight they stand for.
        transactions: everything before that midnight; later rows are left out.
        labels: all label revisions; those reported later are left out.
    """
    number = (day - _EPOCH).days
    users = user_snapshot(transactions, number)
    merchants = merchant_snapshot(transactions, labels, number)
    no_user = UserHistory(
        number, 0, np.empty(0, dtype=DAY_TILE), np.empty(0, dtype=HOUR_TILE)
    ).encode()
    no_merchant = MerchantState(number, np.empty(0, dtype=RISK_TILE)).encode()
    corrected = [
        view.name
        for view, frame, nothing in (
            (USER_HISTORY_STATE, users, no_user),
            (MERCHANT_STATE, merchants, no_merchant),
        )
        if _put(store, view, day, frame, nothing)
    ]
    return SnapshotResult(
        day=day, users=len(users), merchants=len(merchants), corrected=tuple(corrected)
    )


def _put(
    store: ObjectStore, view: StateView, day: date, frame: pl.DataFrame, nothing: bytes
) -> bool:
    """Write a view's snapshot; tell whether it replaces another one of the same day.

    Its event timestamp is the midnight, and one microsecond more for each correction: Feast's
    Redis store drops a row that is not later than the one it has, and a correction of this day
    must not win over a later day's snapshot.
    """
    key = keys.partition(keys.state_folder(view.name), day)
    available, corrects = midnight(day), False
    try:
        old = store.get_frame(key)
    except NotFound:
        pass
    else:
        entity = frame.columns[0]
        gone = old.join(frame, on=entity, how="anti").select(entity, state=pl.lit(nothing))
        frame = pl.concat([frame, gone]).sort(entity)
        if old.drop("event_timestamp").equals(frame):
            return False
        newest = old["event_timestamp"].max()
        available = (newest if isinstance(newest, datetime) else available) + _MICROSECOND
        corrects = True
    moment = pl.lit(available).cast(pl.Datetime("us", "UTC"))
    store.put_frame(key, frame.with_columns(event_timestamp=moment))
    return corrects
