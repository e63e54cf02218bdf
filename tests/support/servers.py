"""Starting the real servers from the serving environment."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cardfraud_pipelines.local import Endpoints
from cardfraud_pipelines.local.part import Part
from cardfraud_pipelines.local.ports import pick_port

REPOSITORY = Path(__file__).parents[2]
SERVING_PYTHON = REPOSITORY / ".venv-serving" / "bin" / "python"
LOG_KEY = "a key that only tests know"


@dataclass(frozen=True)
class Address:
    """Where one server listens."""

    http: int = field(default_factory=pick_port)
    grpc: int = field(default_factory=pick_port)

    @property
    def host(self) -> str:
        """Of REST."""
        return f"127.0.0.1:{self.http}"

    @property
    def url(self) -> str:
        """Of REST."""
        return f"http://{self.host}"

    @property
    def target(self) -> str:
        """Of gRPC."""
        return f"127.0.0.1:{self.grpc}"

    def ready(self) -> bool:
        """Whether the model answers that it is ready."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=2)
        try:
            connection.request("GET", "/v2/models/fraud/ready")
            return connection.getresponse().status == http.client.OK
        finally:
            connection.close()


def storage_environment(endpoints: Endpoints, project: str) -> dict[str, str]:
    """Return the variables that lead a server to the object store and the online store."""
    return {
        "CARDFRAUD_S3_BUCKET": endpoints.bucket,
        "CARDFRAUD_S3_ENDPOINT_URL": endpoints.s3_url,
        "CARDFRAUD_S3_REGION": endpoints.s3_region,
        "CARDFRAUD_S3_ACCESS_KEY_ID": endpoints.s3_access_key,
        "CARDFRAUD_S3_SECRET_ACCESS_KEY": endpoints.s3_secret_key,
        "CARDFRAUD_FEAST_PROJECT": project,
        "CARDFRAUD_FEAST_REDIS_HOST": endpoints.redis_host,
        "CARDFRAUD_FEAST_REDIS_PORT": str(endpoints.redis_port),
        "CARDFRAUD_FEAST_REDIS_PASSWORD": endpoints.redis_password,
    }


def predictor(
    address: Address,
    storage: Mapping[str, str],
    bundle: str,
    *,
    name: str = "predictor",
    **settings: str,
) -> Part:
    """Return a predictor of a bundle in the object store."""
    return _server(name, "predictor", address, storage, {"bundle": bundle} | settings)


def transformer(
    address: Address,
    storage: Mapping[str, str],
    *,
    bundle: str,
    policy: str,
    predictor_at: Address | None,
    name: str = "transformer",
    **settings: str,
) -> Part:
    """Return a transformer before a predictor, or with the model inside; its clock replays."""
    given = {
        "bundle": bundle,
        "policy": policy,
        **({"fused": "true"} if predictor_at is None else {"predictor_host": predictor_at.host}),
        "prediction_log_key": LOG_KEY,
        "prediction_log_seconds": "0.5",
        "clock": "replay",
        # Two cores run everything here, and a deadline missed by chance would be another test.
        "predictor_timeout_s": "5",
        "features_timeout_s": "5",
        # Most tests ask about one transaction again and again, and want an answer each time.
        "repeated_entries": "0",
        # Tests share a bucket, and one of them changes the policy that its tracks name.
        "policy_refresh_s": "0",
    }
    return _server(name, "transformer", address, storage, given | settings)


def _server(
    name: str,
    kind: str,
    address: Address,
    storage: Mapping[str, str],
    settings: Mapping[str, str],
) -> Part:
    prefix = f"CARDFRAUD_{kind.upper()}_"
    ports = {"HTTP_PORT": str(address.http), "GRPC_PORT": str(address.grpc)}
    own = {key.upper(): value for key, value in settings.items()}
    return Part(
        name=name,
        command=(str(SERVING_PYTHON), "-m", f"cardfraud_inference.{kind}"),
        ready=address.ready,
        env={**storage, **{f"{prefix}{key}": value for key, value in (ports | own).items()}},
        ready_within=90.0,
        stop_within=15.0,
    )
