"""How a feature is defined: the types; the definitions themselves are in ``cardfraud.features``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

Entity = Literal["user", "merchant", "request"]
Aggregation = Literal[
    "count", "sum", "mean", "std", "min", "max", "last", "first", "fraud_share", "expression"
]


@dataclass(frozen=True, slots=True)
class Feature:
    """One number that a model may read.

    Attributes:
        name: unique over all views; also the column name.
        aggregation: what is computed over the window; ``expression`` for on-demand features.
        default: the value where there is none, in the feature's own unit.
        unit: unit of the value: ``count``, ``currency`` (major units), ``days``, ``share``,
            ``flag``, ``hours``, ``ratio``.
        description: one sentence for the person who reads a decision.
        window: length of the window; ``None`` for on-demand features.
    """

    name: str
    aggregation: Aggregation
    default: float
    unit: str
    description: str
    window: timedelta | None = None


@dataclass(frozen=True, slots=True)
class FeatureView:
    """Features of one entity that are computed, stored and aged together.

    Attributes:
        name: with its version, ``..._v1``; changed semantics are a new view.
        entity: whose history it is, or ``request`` for on-demand features.
        features: the definitions, in the model's input order.
        owner: who answers for it.
        description: one sentence.
        label_delay: time that must have passed before a label may be seen; zero where none is read.
        resolution: the oldest edge of a window is rounded down to a multiple of this.
        refresh: the newest edge of a window, and the moment before which a label must have been
            reported, are rounded down to a multiple of this; zero where a window ends at the
            request itself.
    """

    name: str
    entity: Entity
    features: tuple[Feature, ...]
    owner: str
    description: str
    label_delay: timedelta = timedelta(0)
    resolution: timedelta = timedelta(0)
    refresh: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class StateView:
    """What the online store keeps of an entity, from which its feature views are computed.

    Attributes:
        name: with its version; part of the feature set's digest.
        entity: whose state it is.
        ttl: state whose ``as_of`` is older than this at the request's event time is stale.
        writer: the one job that may write it.
        description: one sentence.
    """

    name: str
    entity: Entity
    ttl: timedelta | None
    writer: Literal["backfill", "stream"]
    description: str


def canonical(definition: FeatureView | StateView) -> dict[str, Any]:
    """Return the definition as plain JSON values, durations in seconds, to be digested."""

    def plain(value: object) -> object:
        if isinstance(value, timedelta):
            return value.total_seconds()
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return value

    result = plain(asdict(definition))
    assert isinstance(result, dict)  # noqa: S101 (asdict of a dataclass is a dict; for the type checker)
    return result
