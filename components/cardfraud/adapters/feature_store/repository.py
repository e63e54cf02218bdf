"""Feast's objects, generated from the definitions; nothing about a feature is written here."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import FunctionType
from typing import Any, Final, cast

from feast import (
    Entity,
    FeatureView,
    Field,
    FileSource,
    OnDemandFeatureView,
    Project,
    PushSource,
    RequestSource,
)
from feast.data_format import ParquetFormat
from feast.types import Bytes, Float32, Float64, Int64, String
from feast.value_type import ValueType

from cardfraud.contracts import keys
from cardfraud.contracts.features import FeatureView as Definition
from cardfraud.contracts.features import StateView
from cardfraud.features.definitions import (
    ON_DEMAND_VIEW,
    OWNER,
    STATE_VIEWS,
    STORED_VIEWS,
    feature_set_digest,
)

DIGEST_TAG: Final = "feature_set_digest"
STATE: Final = "state"
"""Name of the one feature of a state view."""
EVENT_TIMESTAMP: Final = "event_timestamp"
VALUES_TTL: Final = timedelta(days=1)
"""A transaction's values are asked for at its own event time; a day later they are no answer."""
REQUEST_COLUMNS: Final = ("event_time_us", "amount_minor")
_JOIN_KEYS: Final = {"user": "user_id", "merchant": "merchant_id"}


@dataclass(frozen=True, slots=True)
class Repository:
    """Everything that the registry holds of one feature set."""

    project: Project
    entities: tuple[Entity, ...]
    state_views: tuple[FeatureView, ...]
    value_views: tuple[FeatureView, ...]
    on_demand_view: OnDemandFeatureView

    def objects(self) -> list[Any]:
        """All objects in the order in which Feast can take them."""
        return [*self.entities, *self.state_views, *self.value_views, self.on_demand_view]


def push_source(view: StateView) -> str:
    """Name of the push source through which a stream writes ``view``."""
    return f"{view.name}_push"


def join_key(view: StateView) -> str:
    """Column that identifies the entity of ``view``."""
    return _JOIN_KEYS[view.entity]


def build_repository(project: str, bucket: str) -> Repository:
    """Generate Feast's objects from the definitions.

    Args:
        project: name of Feast's project; its tag carries the feature set's digest.
        bucket: bucket of the offline store.
    """
    tags = {DIGEST_TAG: feature_set_digest()}
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    merchant = Entity(name="merchant", join_keys=["merchant_id"], value_type=ValueType.STRING)
    transaction = Entity(
        name="transaction", join_keys=["transaction_id"], value_type=ValueType.STRING
    )
    entities = {"user": user, "merchant": merchant}
    values = tuple(_value_view(view, bucket, transaction, tags) for view in STORED_VIEWS)
    return Repository(
        project=Project(name=project, description="Card-fraud features.", tags=tags, owner=OWNER),
        entities=(user, merchant, transaction),
        state_views=tuple(
            _state_view(view, bucket, entities[view.entity], tags) for view in STATE_VIEWS
        ),
        value_views=values,
        on_demand_view=_on_demand_view(values, tags),
    )


def _source(name: str, bucket: str, folder: str) -> FileSource:
    return FileSource(
        name=name,
        path=f"s3://{bucket}/{folder}/",
        file_format=ParquetFormat(),
        timestamp_field=EVENT_TIMESTAMP,
    )


def _state_view(
    view: StateView, bucket: str, entity: Entity, tags: Mapping[str, str]
) -> FeatureView:
    batch = _source(f"{view.name}_snapshots", bucket, keys.state_folder(view.name))
    streamed = view.writer == "stream"
    return FeatureView(
        name=view.name,
        entities=[entity],
        ttl=view.ttl or timedelta(0),
        schema=[Field(name=join_key(view), dtype=String), Field(name=STATE, dtype=Bytes)],
        source=PushSource(name=push_source(view), batch_source=batch) if streamed else batch,
        online=True,
        tags={**tags, "writer": view.writer},
        owner=OWNER,
        description=view.description,
    )


def _value_view(
    view: Definition, bucket: str, transaction: Entity, tags: Mapping[str, str]
) -> FeatureView:
    return FeatureView(
        name=view.name,
        entities=[transaction],
        ttl=VALUES_TTL,
        schema=[
            Field(name="transaction_id", dtype=String),
            *(
                Field(
                    name=feature.name,
                    dtype=Float32,
                    description=feature.description,
                    tags={"unit": feature.unit, "default": str(feature.default)},
                )
                for feature in view.features
            ),
        ],
        source=_source(f"{view.name}_values", bucket, keys.values_folder(view.name)),
        online=False,
        tags=dict(tags),
        owner=view.owner,
        description=view.description,
    )


def _on_demand_view(values: Sequence[FeatureView], tags: Mapping[str, str]) -> OnDemandFeatureView:
    request = RequestSource(
        name="request", schema=[Field(name=name, dtype=Int64) for name in REQUEST_COLUMNS]
    )
    users = [
        view
        for view, definition in zip(values, STORED_VIEWS, strict=True)
        if definition.entity == "user"
    ]
    return OnDemandFeatureView(
        name=ON_DEMAND_VIEW.name,
        sources=[*users, request],
        # Feast compares these with fields that it infers: 64 bits, and no description.
        schema=[Field(name=feature.name, dtype=Float64) for feature in ON_DEMAND_VIEW.features],
        mode="python",
        singleton=False,
        udf=cast("FunctionType", on_demand),
        udf_string=inspect.getsource(on_demand),
        tags={**tags, **{feature.name: feature.description for feature in ON_DEMAND_VIEW.features}},
        owner=ON_DEMAND_VIEW.owner,
        description=ON_DEMAND_VIEW.description,
    )


def on_demand(columns: dict[str, list[float]]) -> dict[str, list[float | None]]:
    """Compute the on-demand features of N rows: columns to columns, a missing value is None."""
    # Feast runs this from its text in the registry, so it imports what it needs.
    import numpy as np

    from cardfraud.features.definitions import STORED_VIEWS
    from cardfraud.features.values import on_demand_values

    stored = {
        feature.name: np.array(columns[feature.name], dtype=np.float64)
        for view in STORED_VIEWS
        if view.entity == "user"
        for feature in view.features
    }
    time_us = np.array(columns["event_time_us"], dtype=np.int64)
    amount_minor = np.array(columns["amount_minor"], dtype=np.int64)
    return {
        name: [None if value != value else value for value in column.tolist()]  # noqa: PLR0124 (NaN)
        for name, column in on_demand_values(stored, time_us, amount_minor).items()
    }
