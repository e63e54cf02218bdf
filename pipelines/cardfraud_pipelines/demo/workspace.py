"""What every part of the demo works with."""

from __future__ import annotations

from dataclasses import dataclass

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts.sources import Source
from cardfraud_pipelines.demo.plan import Plan
from cardfraud_pipelines.demo.stages import Stages


@dataclass(frozen=True, slots=True)
class Workspace:
    """One demo: its data, its dates, its stores, and what it shows.

    Attributes:
        source: where the transactions come from.
        plan: the dates.
        store: the object store.
        features: the feature store.
        stages: what is shown while it runs.
        seed: of the models.
    """

    source: Source
    plan: Plan
    store: ObjectStore
    features: FeatureStore
    stages: Stages
    seed: int
