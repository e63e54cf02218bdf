"""Start the transformer: ``python -m cardfraud_inference.transformer``."""

from __future__ import annotations

import sys

from pydantic_settings import BaseSettings

from cardfraud.adapters.object_store import ObjectStoreSettings
from cardfraud_inference.command_line import read_command_line, reported
from cardfraud_inference.settings import TransformerSettings
from cardfraud_inference.telemetry.logs import configure_logs

PURPOSE = """\
Serves decisions over REST v1, REST v2 and gRPC: a transaction in; features from the feature store,
the probability from the predictor, and a decision by the policy out. Every decision goes to the
prediction log. Bundle, policy and feature store are verified before the first port is opened; when
that fails, or the object store or Redis does not answer, the process ends with status 1 and says
why. The predictor may start later."""


def main() -> None:
    """Read the settings and serve."""
    from cardfraud.adapters.feature_store.settings import FeatureStoreSettings

    further: list[type[BaseSettings]] = [FeatureStoreSettings, ObjectStoreSettings]
    settings = read_command_line(TransformerSettings, PURPOSE, further)
    configure_logs(settings.log_level)
    # These take seconds to import, which the help and a wrong setting need not wait for.
    from kserve import PredictorConfig

    from cardfraud_inference.server import Server
    from cardfraud_inference.transformer.model import FraudTransformer

    predictor = PredictorConfig(
        predictor_host=settings.predictor_host,
        predictor_protocol="v2",
        predictor_request_timeout_seconds=settings.predictor_timeout_s,
    )
    Server(settings, predictor).run(FraudTransformer(settings))


if __name__ == "__main__":
    sys.exit(reported(main))
