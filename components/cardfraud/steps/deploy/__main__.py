"""``python -m cardfraud.steps.deploy``."""

import sys

from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.steps.command import execute
from cardfraud.steps.deploy.config import DeployConfig
from cardfraud.steps.deploy.step import DeployResult, run


def _run(config: DeployConfig) -> DeployResult:
    return run(config, ObjectStore(ObjectStoreSettings()))


if __name__ == "__main__":
    sys.exit(execute(DeployConfig, _run))
