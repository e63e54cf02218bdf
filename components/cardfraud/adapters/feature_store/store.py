"""The feature store as the rest of the library sees it."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cardfraud.adapters.bundle_cache import BundleCache, Origin
from cardfraud.adapters.feature_store import online
from cardfraud.adapters.feature_store.direct import DirectReader
from cardfraud.adapters.feature_store.loading import load_feast
from cardfraud.adapters.feature_store.marks import mark_of, views_missed
from cardfraud.adapters.feature_store.settings import FeatureStoreSettings
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.contracts import keys
from cardfraud.contracts.features import StateView
from cardfraud.errors import IntegrityError, InvalidInput, NotFound
from cardfraud.features.definitions import (
    MERCHANT_STATE,
    STATE_VIEWS,
    USER_STREAM_STATE,
    feature_set_digest,
)
from cardfraud.features.user_stream import UserStream

if TYPE_CHECKING:
    import polars as pl


class FeatureStore:
    """One feature set: its registry, its values offline, its state online.

    Making one opens no connection. The first use reads the registry and refuses to go on where it
    was made for another feature set. Every method raises
    :class:`~cardfraud.errors.Unavailable` when the object store or Redis does not answer.
    """

    registry_origin: Origin | None = None
    """Where :meth:`check` found the registry last; None before the first check."""

    def __init__(
        self,
        settings: FeatureStoreSettings,
        object_store_settings: ObjectStoreSettings,
        *,
        cache: BundleCache | None = None,
    ) -> None:
        """Keep the settings.

        Args:
            settings: project and online store.
            object_store_settings: where the registry and the offline values are.
            cache: what the registry is read from while the object store is unavailable.
        """
        self.settings = settings
        self._objects = ObjectStore(object_store_settings)
        self._cache = cache
        self._checked = False

    def apply(self) -> None:
        """Create the registry, or bring it to this feature set.

        Raises:
            Conflict: somebody else writes the registry at the same time.
        """
        load_feast()
        from cardfraud.adapters.feature_store.repository import build_repository

        repository = build_repository(self.settings.project, self._objects.bucket)
        store = self._open(offline=True)
        with warnings.catch_warnings():
            # Feast calls on-demand views experimental for offline use; ours are read in chunks.
            warnings.filterwarnings(
                "ignore", message="On demand feature view", category=RuntimeWarning
            )
            store.apply(repository.project)
            store.apply(repository.objects())
        for cached in ("_serving", "_training"):
            self.__dict__.pop(cached, None)

    def check(self) -> str:
        """Return the digest of the feature set that the registry was made for.

        Raises:
            IntegrityError: there is no registry or project, or it has another feature set.
        """
        load_feast()
        from feast.protos.feast.core.Registry_pb2 import Registry

        from cardfraud.adapters.feature_store.registry_store import read_registry
        from cardfraud.adapters.feature_store.repository import DIGEST_TAG

        expected, name = feature_set_digest(), self._objects.uri(keys.FEAST_REGISTRY)
        registry = Registry()
        with contextlib.suppress(NotFound):
            registry, _, self.registry_origin = read_registry(
                self._objects, keys.FEAST_REGISTRY, self._cache
            )
        found = [
            project.spec.tags.get(DIGEST_TAG, "no digest")
            for project in registry.projects
            if project.spec.name == self.settings.project
        ]
        views = {
            view.spec.name
            for view in registry.feature_views
            if view.spec.project == self.settings.project
        }
        actual = found[0] if found else f"no project {self.settings.project}"
        if actual == expected and not {view.name for view in STATE_VIEWS} <= views:
            actual = "a registry without the state views"
        if actual != expected:
            raise IntegrityError(name, expected, actual, hint="apply this feature set to the store")
        self._checked = True
        return actual

    def training_set(self, transactions: pl.DataFrame) -> pl.DataFrame:
        """Return the values of every feature for each transaction, as known just before it.

        Args:
            transactions: transaction_id, event_time and amount_minor; further columns are ignored.

        Returns:
            As many rows in the same order: transaction_id, event_time, then one float32 column for
            each of ``FEATURE_NAMES``, null where there is no value.

        Raises:
            InvalidFrame: a column is missing or has another type, or a view has no values at all.
        """
        from cardfraud.adapters.feature_store.training import training_set

        return training_set(self._training, transactions, self.settings.training_chunk_rows)

    def materialize(self, start: datetime, end: datetime) -> None:
        """Bring the latest state snapshots between two times into the online store.

        Only the state that the daily job owns is written; what the online store has of a later
        snapshot stays.

        Args:
            start: first moment, with a time zone.
            end: last moment, with a time zone, not before ``start``.

        Raises:
            InvalidInput: a moment has no time zone, or they are in the wrong order.
            Conflict: another process wrote the registry at the same time; the state is online, and
                doing it again is safe.
        """
        if start.tzinfo is None or end.tzinfo is None or end < start:
            raise InvalidInput("materialize needs two moments with a time zone, in order")
        views = [view for view in STATE_VIEWS if view.writer == "backfill"]
        names = [view.name for view in views]
        silent = io.StringIO()  # Feast prints; a job's output is ours to choose
        with (
            online.translated(self.settings.online_store),
            contextlib.redirect_stdout(silent),
            contextlib.redirect_stderr(silent),
        ):
            # Feast notes the interval in the registry as it knows it; another process may have
            # written that since.
            self._training.refresh_registry()
            self._training.materialize(start, end, feature_views=names)
            self._mark(self._training, *views)

    def read_online(
        self, user_ids: Sequence[str], merchant_ids: Sequence[str]
    ) -> list[online.OnlineRow]:
        """Read the state of N requests' users and merchants in one round trip.

        Args:
            user_ids: N users.
            merchant_ids: N merchants, in the same order.

        Raises:
            IntegrityError: a stored blob is not one of this version.
        """
        if not user_ids:
            return []
        with online.translated(self.settings.online_store):
            response = self._serving.get_online_features(
                list(online.ALL_STATES), _entities(user_ids, merchant_ids), full_feature_names=True
            )
        return online.decode_rows(response)

    async def read_online_async(
        self, user_ids: Sequence[str], merchant_ids: Sequence[str]
    ) -> list[online.OnlineRow]:
        """Do what :meth:`read_online` does without blocking the event loop while Redis works.

        The connection belongs to the event loop of the first call. The setting ``online_reader``
        says whether Feast's SDK reads, or we do in its layout.
        """
        if not user_ids:
            return []
        if self.settings.online_reader == "direct":
            return await self._direct.read(user_ids, merchant_ids)
        with online.translated(self.settings.online_store):
            response = await self._serving.get_online_features_async(
                list(online.ALL_STATES), _entities(user_ids, merchant_ids), full_feature_names=True
            )
        return online.decode_rows(response)

    async def read_online_each(
        self, user_ids: Sequence[str], merchant_ids: Sequence[str]
    ) -> list[online.OnlineRow | IntegrityError]:
        """Do what :meth:`read_online_async` does, with an error in place of each damaged state."""
        if self.settings.online_reader == "direct" and user_ids:
            return await self._direct.read_each(user_ids, merchant_ids)
        try:
            return list(await self.read_online_async(user_ids, merchant_ids))
        except IntegrityError as error:
            if len(user_ids) == 1:
                return [error]
        alone = zip(user_ids, merchant_ids, strict=True)
        return [(await self.read_online_each([user], [merchant]))[0] for user, merchant in alone]

    async def has_lost(self, rows: Sequence[online.OnlineRow]) -> bool:
        """Whether rows lack state because the online store lost it, or never was filled.

        Of newcomers a store that was filled knows nothing, too. It is asked only where a row lacks
        something.

        Args:
            rows: what one of the reading methods returned.
        """
        marks = [mark_of(self.settings.project, view) for view in views_missed(rows)]
        return bool(marks) and not await self._direct.has_all(marks)

    def read_stream_states(self, user_ids: Sequence[str]) -> dict[str, UserStream]:
        """Read what the stream wrote of these users; users without state are left out.

        Raises:
            IntegrityError: a stored blob is not one of this version.
        """
        if not user_ids:
            return {}
        with online.translated(self.settings.online_store):
            response = self._serving.get_online_features(
                [online.STREAM_STATE], {"user_id": list(user_ids)}, full_feature_names=True
            )
        return online.decode_streams(response, user_ids)

    def push_stream_states(self, states: Mapping[str, UserStream]) -> None:
        """Write the stream's states of these users, a micro-batch at a time.

        The store keeps a state only if its ``version_us`` is above the one that it has. When this
        fails half-way some users are written and others are not; pushing again is safe.
        """
        import pandas as pd

        from cardfraud.adapters.feature_store.repository import push_source

        users = list(states)
        for start in range(0, len(users), self.settings.push_batch):
            batch = {user: states[user] for user in users[start : start + self.settings.push_batch]}
            frame = pd.DataFrame(online.push_columns(batch))
            frame["event_timestamp"] = pd.to_datetime(frame.pop("version_us"), unit="us", utc=True)
            with online.translated(self.settings.online_store):
                self._serving.push(push_source(USER_STREAM_STATE), frame)

    def write_merchant_states(self, snapshot: pl.DataFrame) -> None:
        """Write merchants' states, as the hourly job does.

        The store keeps a state only if its event timestamp is above the one that it has. When this
        fails half-way some merchants are written and others are not; writing again is safe.

        Args:
            snapshot: merchant_id, state and event_timestamp.
        """
        frame = snapshot.select("merchant_id", "state", "event_timestamp").to_pandas()
        with online.translated(self.settings.online_store):
            # Not by materializing: that would note each hour in the registry, which every server
            # reads.
            self._serving.write_to_online_store(MERCHANT_STATE.name, frame)
            self._mark(self._serving, MERCHANT_STATE)

    def close(self) -> None:
        """Close the synchronous connections; the next call opens new ones."""
        for name in ("_serving", "_training"):
            client = online.connection(self.__dict__.pop(name, None), "_client")
            if client is not None:
                client.close()

    async def close_async(self) -> None:
        """Close the connections of :meth:`read_online_async`, on their own event loop."""
        direct = self.__dict__.pop("_direct", None)
        if direct is not None:
            await direct.close()
        client = online.connection(self.__dict__.pop("_serving", None), "_client_async")
        if client is not None:
            await client.aclose()

    @cached_property
    def _direct(self) -> DirectReader:
        if not self._checked:  # a server has done so at its start
            self.check()
        return DirectReader(self.settings)

    @cached_property
    def _serving(self) -> Any:
        """Feast's store without its offline half, which servers do not carry."""
        self.check()
        return self._open(offline=False)

    @cached_property
    def _training(self) -> Any:
        """Feast's store with its offline half."""
        self.check()
        return self._open(offline=True)

    def _mark(self, store: Any, *views: StateView) -> None:
        """Say beside the state that it was written, over the connection that wrote it."""
        client = online.connection(store, "_client")
        client.mset({mark_of(self.settings.project, view): b"1" for view in views})

    def _open(self, *, offline: bool) -> Any:
        load_feast()
        from cardfraud.adapters.feature_store.configuration import open_store

        return open_store(self.settings, self._objects, offline=offline, cache=self._cache)


def _entities(user_ids: Sequence[str], merchant_ids: Sequence[str]) -> dict[str, list[str]]:
    return {"user_id": list(user_ids), "merchant_id": list(merchant_ids)}
