"""``python -m cardfraud.steps.evaluate --run-id ...``."""

import sys

from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.steps.command import execute
from cardfraud.steps.evaluate.config import EvaluateConfig
from cardfraud.steps.evaluate.step import EvaluateResult, run


def _run(config: EvaluateConfig) -> EvaluateResult:
    return run(config, ObjectStore(ObjectStoreSettings()))


if __name__ == "__main__":
    sys.exit(execute(EvaluateConfig, _run))
