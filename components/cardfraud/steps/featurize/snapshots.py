"""State snapshots, as of a midnight or an hour, and their way into the online store.

The daily job writes the users' history and the merchants' state, the hourly job the merchants'
state alone. A day has one snapshot of a view, and each hour's replaces the one of the hour before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import numpy as np
import polars as pl

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.features import StateView
from cardfraud.errors import InvalidInput, NotFound
from cardfraud.features.definitions import MERCHANT_STATE, USER_HISTORY_STATE
from cardfraud.features.merchant_state import RISK_TILE, MerchantState
from cardfraud.features.snapshot import fraud_ratios, merchant_snapshot, user_snapshot
from cardfraud.features.tiles import DAY_TILE, HOUR_TILE, HOURS_A_DAY
from cardfraud.features.user_history import UserHistory
from cardfraud.steps.featurize.config import RefreshResult, SnapshotResult
from cardfraud.steps.featurize.reading import read_labels, read_transactions

_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def midnight(day: date) -> datetime:
    """The moment at which a UTC day begins."""
    return datetime.combine(day, time(), UTC)


def run_daily(store: ObjectStore, feature_store: FeatureStore, day: date) -> SnapshotResult:
    """Write the snapshots as of a day's midnight and bring them into the online store.

    Running it again changes nothing unless the data before that midnight changed; then the new
    snapshot replaces the old one, here and online. It never replaces one of a later moment.

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
    begun = midnight(day)
    number = (begun - _EPOCH) // _DAY
    users = user_snapshot(transactions, number)
    hour = number * HOURS_A_DAY
    merchants = merchant_snapshot(transactions, labels, hour)
    no_user = UserHistory(
        number, 0, np.empty(0, dtype=DAY_TILE), np.empty(0, dtype=HOUR_TILE)
    ).encode()
    written = {
        USER_HISTORY_STATE: _put(store, USER_HISTORY_STATE, begun, users, no_user),
        MERCHANT_STATE: _put(store, MERCHANT_STATE, begun, merchants, _no_merchant(hour)),
    }
    return SnapshotResult(
        day=day,
        users=len(users),
        merchants=len(merchants),
        corrected=tuple(view.name for view, put in written.items() if put.corrects),
    )


class HourlyRefresh:
    """The hourly job over days that were read once: merchants' state, hour after hour."""

    def __init__(
        self,
        store: ObjectStore,
        feature_store: FeatureStore,
        transactions: pl.DataFrame,
        labels: pl.DataFrame,
    ) -> None:
        """Keep the stores, the transactions and the labels.

        Args:
            store: takes the snapshots.
            feature_store: takes them online; its registry must be of this feature set.
            transactions: everything up to a label delay before the last hour, at least.
            labels: all label revisions; each hour sees what was reported before it.
        """
        self._store = store
        self._feature_store = feature_store
        self._transactions = transactions
        self._labels = labels
        self._ratios = fraud_ratios(transactions, labels)

    def run(self, hour: datetime) -> RefreshResult:
        """Write the merchants' state as of an hour's beginning, and bring it online.

        Running it again changes nothing unless the data changed; an hour before one that was
        written already changes nothing.

        Args:
            hour: a full UTC hour, with its time zone.

        Raises:
            InvalidInput: not a full hour, or without a time zone.
            Unavailable: a store does not answer; running it again is safe.
        """
        if hour.tzinfo is None or (hour - _EPOCH) % _HOUR:
            raise InvalidInput(f"hour must be a full UTC hour with its time zone, got {hour}")
        number = (hour - _EPOCH) // _HOUR
        merchants = merchant_snapshot(self._transactions, self._labels, number, ratios=self._ratios)
        put = _put(self._store, MERCHANT_STATE, hour, merchants, _no_merchant(number))
        # Also where nothing is new: whoever was killed before the state was online runs it again.
        self._feature_store.write_merchant_states(put.snapshot)
        return RefreshResult(hour=hour, merchants=len(merchants), superseded=put.superseded)


def run_hourly(store: ObjectStore, feature_store: FeatureStore, hour: datetime) -> RefreshResult:
    """Write the merchants' state as of an hour's beginning, and bring it into the online store.

    Args:
        store: holds validated transactions and labels.
        feature_store: its registry must be of this feature set.
        hour: a full UTC hour, with its time zone.

    Raises:
        InvalidInput: not a full hour, or without a time zone.
        NotFound: there are no validated transactions up to the day of ``hour``.
        IntegrityError: the feature store is of another feature set.
    """
    feature_store.check()
    day = hour.astimezone(UTC).date()
    transactions, labels = read_transactions(store, day), read_labels(store, day)
    return HourlyRefresh(store, feature_store, transactions, labels).run(hour)


def _no_merchant(hour: int) -> bytes:
    return MerchantState(hour, np.empty(0, dtype=RISK_TILE)).encode()


@dataclass(frozen=True, slots=True)
class _Put:
    """What became of a snapshot.

    Attributes:
        snapshot: what the store holds now: entity, state and event_timestamp.
        corrects: whether it replaced another one of the same moment.
        superseded: whether one of a later moment was there and stays.
    """

    snapshot: pl.DataFrame
    corrects: bool = False
    superseded: bool = False


def _put(
    store: ObjectStore, view: StateView, moment: datetime, frame: pl.DataFrame, nothing: bytes
) -> _Put:
    """Write a view's snapshot of a midnight or an hour in place of the day's earlier one.

    Its event timestamp is that moment, and one microsecond more for each correction: Feast's
    Redis store drops a row that is not later than the one it has, and a correction of this moment
    must not win over a later one's snapshot.
    """
    key = keys.partition(keys.state_folder(view.name), moment.astimezone(UTC).date())
    available, corrects = moment, False
    try:
        old = store.get_frame(key)
    except NotFound:
        pass
    else:
        entity = frame.columns[0]
        newest = old.select(pl.col("event_timestamp").max().fill_null(moment - _HOUR)).item()
        if newest >= moment + _HOUR:
            return _Put(old, superseded=True)
        corrects = newest >= moment
        gone = old.join(frame, on=entity, how="anti").select(entity, state=pl.lit(nothing))
        frame = pl.concat([frame, gone]).sort(entity)
        if old.drop("event_timestamp").equals(frame):
            return _Put(old)
        if corrects:
            available = newest + _MICROSECOND
    stamp = pl.lit(available).cast(pl.Datetime("us", "UTC"))
    frame = frame.with_columns(event_timestamp=stamp)
    store.put_frame(key, frame)
    return _Put(frame, corrects=corrects)
