"""Feast's DuckDB offline store, reading day partitions through the library's own object store.

Feast's own reader would have DuckDB download an extension to reach S3, and would read every
partition there is. This one lists the partitions of a view, takes the days that can matter, and
hands their rows to Feast's point-in-time join as Arrow tables.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlparse

import ibis  # type: ignore[import-untyped]
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig
from feast.infra.offline_stores.ibis import (
    get_historical_features_ibis,
    pull_all_from_table_or_query_ibis,
    pull_latest_from_table_or_query_ibis,
)

from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts.keys import partition_day
from cardfraud.errors import Conflict, InvalidFrame

_READERS: Final = 8
"""Partitions that are fetched at a time."""


class PartitionedOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """Feast's settings of this store; it names the store's class by its own name."""

    type: Literal["cardfraud.adapters.feature_store.offline.PartitionedOfflineStore"] = (
        "cardfraud.adapters.feature_store.offline.PartitionedOfflineStore"
    )
    object_store: ObjectStore


class PartitionedOfflineStore(DuckDBOfflineStore):
    """Point-in-time joins and latest rows over ``folder/date=YYYY-MM-DD/part-0.parquet``."""

    @staticmethod
    def get_historical_features(  # noqa: PLR0917 (Feast's signature)
        config: Any,
        feature_views: list[Any],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: Any,
        project: str,
        full_feature_names: bool = False,  # noqa: FBT001, FBT002
        filter_by_created_timestamp: bool = False,  # noqa: FBT001, FBT002
        **options: Any,
    ) -> Any:
        """Join each entity row with the latest values not after its time and within their ttl."""
        del options
        if not isinstance(entity_df, pd.DataFrame):
            raise InvalidFrame("entity rows", "must be a data frame, not a query")
        moments = entity_df["event_timestamp"]
        ttl = max((view.ttl or timedelta(0) for view in feature_views), default=timedelta(0))
        start = moments.min().to_pydatetime() - ttl if ttl else None
        return get_historical_features_ibis(
            config=config,
            feature_views=feature_views,
            feature_refs=feature_refs,
            entity_df=entity_df,
            registry=registry,
            project=project,
            full_feature_names=full_feature_names,
            data_source_reader=_reader(config, start, moments.max().to_pydatetime()),
            data_source_writer=_no_writer,
            filter_by_created_timestamp=filter_by_created_timestamp,
        )

    @staticmethod
    def pull_latest_from_table_or_query(  # noqa: PLR0917 (Feast's signature)
        config: Any,
        data_source: Any,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> Any:
        """Return each entity's latest row between two times: what ``materialize`` writes."""
        return pull_latest_from_table_or_query_ibis(
            config=config,
            data_source=data_source,
            join_key_columns=join_key_columns,
            feature_name_columns=feature_name_columns,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            start_date=start_date,
            end_date=end_date,
            data_source_reader=_reader(config, start_date, end_date),
            data_source_writer=_no_writer,
        )

    @staticmethod
    def pull_all_from_table_or_query(  # noqa: PLR0917 (Feast's signature)
        config: Any,
        data_source: Any,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> Any:
        """Return every row between two times."""
        return pull_all_from_table_or_query_ibis(
            config=config,
            data_source=data_source,
            join_key_columns=join_key_columns,
            feature_name_columns=feature_name_columns,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            start_date=start_date,
            end_date=end_date,
            data_source_reader=_reader(config, start_date, end_date),
            data_source_writer=_no_writer,
        )


def _reader(
    config: Any, start: datetime | None, end: datetime | None
) -> Callable[[Any, str], ibis.Table]:
    """Return Feast's reader of a source, bound to the days [start, end] of the question.

    A row's event timestamp lies on the day of its partition, so the other days cannot matter.
    """
    store: ObjectStore = config.offline_store.object_store

    def read(source: Any, repo_path: str) -> ibis.Table:
        del repo_path
        prefix = urlparse(source.path).path.lstrip("/")
        wanted = [key for key in store.keys(prefix) if _asked(key, start, end)]
        with ThreadPoolExecutor(_READERS) as pool:
            tables = list(pool.map(lambda key: _parquet(store, key), wanted))
        if not tables:
            tables = [_empty(store, prefix)]
        return ibis.memtable(pa.concat_tables(tables))

    return read


def _asked(key: str, start: datetime | None, end: datetime | None) -> bool:
    day = partition_day(key)
    if day is None:
        return False
    return (start is None or day >= _utc(start).date()) and (end is None or day <= _utc(end).date())


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _parquet(store: ObjectStore, key: str) -> pa.Table:
    return pq.read_table(io.BytesIO(store.get(key)))


def _empty(store: ObjectStore, prefix: str) -> pa.Table:
    """Return no rows with the columns of the folder's first partition.

    Raises:
        InvalidFrame: the folder has no partition, so its columns are not known.
    """
    for key in store.keys(prefix):
        if partition_day(key) is not None:
            return _parquet(store, key).slice(0, 0)
    raise InvalidFrame(store.uri(prefix), "no partitions", hint="run the featurize step first")


def _no_writer(*_: Any) -> None:
    raise Conflict("offline store", "only the featurize step writes it")
