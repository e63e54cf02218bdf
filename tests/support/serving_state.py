"""A feature store that knows two users and two merchants, as of one moment."""

from datetime import datetime, timedelta

import polars as pl

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.contracts import keys
from cardfraud.features.definitions import MERCHANT_STATE, USER_HISTORY_STATE
from cardfraud.features.snapshot import merchant_snapshot, user_snapshot
from cardfraud.features.user_stream import Event, UserStream, apply, fingerprint
from cardfraud_pipelines.local import Endpoints
from tests.support.feature_stores import START, day_number, feature_store, history, labels
from tests.support.stores import object_store

NOW = START + timedelta(days=6)
"""The requests' time: the midnight after the last day of :func:`history`."""


def fill_feature_store(endpoints: Endpoints, *, until: datetime) -> None:
    """Apply the feature set, materialize the daily state and push one streamed state."""
    store = feature_store(endpoints)
    store.apply()
    materialize(store, endpoints, day_number(NOW), available=until)
    event = Event(0, 0, _us(NOW - timedelta(minutes=2)), 1_234, fingerprint("streamed"))
    state, _ = apply(UserStream(version_us=_us(NOW)), event)
    store.push_stream_states({"u1": state})
    store.close()


def materialize(
    store: FeatureStore, endpoints: Endpoints, day: int, *, available: datetime
) -> None:
    """Bring the snapshots of one midnight into the online store."""
    table, objects = history(), object_store(endpoints)
    snapshots = {
        USER_HISTORY_STATE.name: user_snapshot(table, day),
        MERCHANT_STATE.name: merchant_snapshot(table, labels(), day * 24),
    }
    for view, snapshot in snapshots.items():
        stamp = pl.lit(available).cast(pl.Datetime("us", "UTC"))
        rows = snapshot.with_columns(event_timestamp=stamp)
        objects.put_frame(keys.partition(keys.state_folder(view), available.date()), rows)
    store.materialize(available - timedelta(days=1), available + timedelta(days=1))


def _us(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
