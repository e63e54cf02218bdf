"""``python -m cardfraud.steps.train --algorithm ... --train.start ... --train.end ...``."""

import sys

from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.adapters.registry import Tracking, TrackingSettings
from cardfraud.steps.command import execute
from cardfraud.steps.train.config import TrainConfig
from cardfraud.steps.train.step import TrainResult, run


def _run(config: TrainConfig) -> TrainResult:
    settings = ObjectStoreSettings()
    return run(
        config,
        ObjectStore(settings),
        FeatureStore(FeatureStoreSettings(), settings),
        Tracking(TrackingSettings(), settings),
    )


if __name__ == "__main__":
    sys.exit(execute(TrainConfig, _run))
