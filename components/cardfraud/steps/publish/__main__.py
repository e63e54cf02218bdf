"""``python -m cardfraud.steps.publish --run-id ...``."""

import sys

from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.adapters.registry import Tracking, TrackingSettings
from cardfraud.steps.command import execute
from cardfraud.steps.publish.config import PublishConfig
from cardfraud.steps.publish.step import PublishResult, run


def _run(config: PublishConfig) -> PublishResult:
    settings = ObjectStoreSettings()
    return run(config, ObjectStore(settings), Tracking(TrackingSettings(), settings))


if __name__ == "__main__":
    sys.exit(execute(PublishConfig, _run))
