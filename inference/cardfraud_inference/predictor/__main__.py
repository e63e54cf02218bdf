"""Start the predictor: ``python -m cardfraud_inference.predictor``."""

from __future__ import annotations

import sys

from cardfraud.adapters.object_store import ObjectStoreSettings
from cardfraud_inference.command_line import read_command_line, reported
from cardfraud_inference.settings import PredictorSettings
from cardfraud_inference.telemetry.logs import configure_logs

PURPOSE = """\
Serves one model bundle with ONNX Runtime over REST v1, REST v2 and gRPC: features in, probability
of fraud out. Every checksum of the bundle is verified before the first port is opened; when that
fails, or the object store does not answer, the process ends with status 1 and says why."""


def main() -> None:
    """Read the settings and serve."""
    settings = read_command_line(PredictorSettings, PURPOSE, [ObjectStoreSettings])
    configure_logs(settings.log_level)
    # These take seconds to import, which the help and a wrong setting need not wait for.
    from cardfraud_inference.predictor.model import FraudPredictor
    from cardfraud_inference.server import Server

    Server(settings).run(FraudPredictor(settings))


if __name__ == "__main__":
    sys.exit(reported(main))
