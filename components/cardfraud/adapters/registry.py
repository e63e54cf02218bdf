"""MLflow: what each training run was, and a mirror of the registry in the object store.

The aliases in the object store are the truth; MLflow shows them to people. Artifacts go straight
to the object store, not through the tracking server, so that their addresses are ``s3://`` ones.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from cardfraud.adapters.object_store import ObjectStoreSettings
from cardfraud.errors import CardfraudError, InvalidSetting, NotFound, Unavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

_HINT = "start it, or set CARDFRAUD_MLFLOW_TRACKING_URI"
_MAX_PARAMETER = 500
"""Length of a logged parameter; the whole value is in the lineage."""


class TrackingSettings(BaseSettings):
    """Where the tracking server is, from ``CARDFRAUD_MLFLOW_...`` variables."""

    model_config = SettingsConfigDict(env_prefix="CARDFRAUD_MLFLOW_", frozen=True, extra="forbid")

    tracking_uri: str = Field(default="http://127.0.0.1:5000", pattern=r"^https?://[^/\s]+")
    experiment: str = Field(default="fraud", min_length=1, max_length=100)
    timeout_s: int = Field(default=20, ge=1)
    retries: int = Field(default=2, ge=0, le=10)


@dataclass(frozen=True, slots=True)
class TrackedModel:
    """A registered version: MLflow's counterpart of a published bundle."""

    name: str
    version: int
    bundle_digest: str
    aliases: tuple[str, ...]


class TrackedRun:
    """A run that is being written."""

    def __init__(self, run_id: str) -> None:
        """Keep the run's identifier, 32 hexadecimal digits."""
        self.run_id = run_id

    def parameters(self, values: Mapping[str, object]) -> None:
        """Log parameters; nested ones get dotted names."""
        import mlflow

        mlflow.log_params({k: str(v)[:_MAX_PARAMETER] for k, v in _flat(values).items()})

    def metrics(self, values: Mapping[str, float | None], *, prefix: str = "") -> None:
        """Log metrics; those that could not be measured are left out."""
        import mlflow

        mlflow.log_metrics({f"{prefix}{k}": v for k, v in values.items() if v is not None})

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        import mlflow

        mlflow.set_tags(dict(values))

    def document(self, name: str, document: Mapping[str, Any]) -> None:
        """Log a JSON document as an artifact."""
        import mlflow

        mlflow.log_text(json.dumps(document, indent=2, sort_keys=True), name)

    def onnx_model(self, model: bytes, *, columns: int) -> str:
        """Log the graph with its signature; return the model's identifier in MLflow."""
        import mlflow.onnx
        import numpy as np
        import onnx
        from mlflow.models import ModelSignature
        from mlflow.types import Schema, TensorSpec

        float32 = np.dtype(np.float32)
        info = mlflow.onnx.log_model(
            onnx.load_from_string(model),
            name="model",
            signature=ModelSignature(
                inputs=Schema([TensorSpec(float32, (-1, columns), "features")]),
                outputs=Schema([TensorSpec(float32, (-1,), "probability")]),
            ),
            # Named, because guessing them means loading the model in another process.
            pip_requirements=["onnx", "onnxruntime"],
            save_as_external_data=False,
        )
        return str(info.model_id)


class Tracking:
    """A client of one tracking server and one experiment."""

    def __init__(self, settings: TrackingSettings, store: ObjectStoreSettings) -> None:
        """Keep the settings; nothing is asked of the server yet."""
        self.settings = settings
        self._store = store

    def check(self) -> None:
        """Ask the server whether it is there, without loading MLflow.

        Raises:
            Unavailable: it does not answer.
        """
        address = urlsplit(self.settings.tracking_uri)
        secure = address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(address.netloc, timeout=self.settings.timeout_s)
        try:
            connection.request("GET", f"{address.path.rstrip('/')}/health")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(self._part, type(error).__name__, hint=_HINT) from error
        finally:
            connection.close()
        if status != http.client.OK:
            raise Unavailable(self._part, f"status {status} of /health", hint=_HINT)

    @contextmanager
    def run(self, name: str) -> Iterator[TrackedRun]:
        """Open a run; it is marked as failed when the block raises.

        Raises:
            Unavailable: the server or the store of its artifacts does not do what it is asked.
        """
        self.check()
        with self._connected() as client:
            experiment = self._experiment(client)
            import mlflow

            with mlflow.start_run(experiment_id=experiment, run_name=name) as run:
                yield TrackedRun(str(run.info.run_id))

    def mirror(
        self, model: str, tracked_model: str, *, bundle_digest: str, tags: Mapping[str, str]
    ) -> int:
        """Register a logged model under a name, once for each bundle; return its version.

        Raises:
            Unavailable: the server does not do what it is asked.
        """
        self.check()
        with self._connected() as client:
            found = client.search_model_versions(f"name = '{_quotable(model)}'")
            for version in found:
                if version.tags.get("bundle_digest") == bundle_digest:
                    return int(version.version)
            if not found:
                self._make_model(client, model)
            made = client.create_model_version(
                model,
                source=f"models:/{tracked_model}",
                model_id=tracked_model,
                tags={**tags, "bundle_digest": bundle_digest},
            )
            return int(made.version)

    def set_alias(self, model: str, alias: str, version: int) -> None:
        """Let an alias name a version, as it does in the object store.

        Raises:
            Unavailable: the server does not do what it is asked.
        """
        self.check()
        with self._connected() as client:
            client.set_registered_model_alias(model, alias, str(version))

    def version_of(self, model: str, alias: str) -> TrackedModel:
        """Return the version that an alias names in MLflow.

        Raises:
            NotFound: there is none.
            Unavailable: the server does not answer.
        """
        self.check()
        with self._connected() as client:
            from mlflow.exceptions import MlflowException

            try:
                found = client.get_model_version_by_alias(model, alias)
            except MlflowException as error:
                if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                    raise NotFound("alias in MLflow", f"{model}/{alias}") from error
                raise
            return TrackedModel(
                name=model,
                version=int(found.version),
                bundle_digest=str(found.tags.get("bundle_digest", "")),
                aliases=tuple(sorted(found.aliases)),
            )

    @property
    def _part(self) -> str:
        return f"MLflow {self.settings.tracking_uri}"

    def _experiment(self, client: MlflowClient) -> str:
        from mlflow.exceptions import MlflowException

        name = self.settings.experiment
        found = client.get_experiment_by_name(name)
        if found is None:
            location = f"s3://{self._store.bucket}/mlflow/{name}"
            try:
                return str(client.create_experiment(name, artifact_location=location))
            except MlflowException as error:
                found = client.get_experiment_by_name(name)  # somebody may have been faster
                if found is None:
                    raise Unavailable(self._part, str(error)) from error
        if found.lifecycle_stage != "active":
            hint = "restore it, or name another"
            raise InvalidSetting("experiment", f"{name!r} was deleted in MLflow", hint=hint)
        return str(found.experiment_id)

    @staticmethod
    def _make_model(client: MlflowClient, model: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    @contextmanager
    def _connected(self) -> Iterator[MlflowClient]:
        """MLflow reads its settings from the environment: set them for the block, then restore."""
        with ExitStack() as stack:
            stack.enter_context(_environment(self._variables()))
            import mlflow

            stack.enter_context(_quiet("mlflow"))  # after the import, which sets the level itself
            import boto3
            from boto3.exceptions import Boto3Error
            from botocore.exceptions import BotoCoreError, ClientError
            from mlflow.exceptions import MlflowException

            # boto3's default session, which MLflow's client comes from, keeps the first credentials
            # that it finds: another store of the same process needs another session.
            boto3.setup_default_session()
            stack.callback(boto3.setup_default_session)
            before = mlflow.get_tracking_uri()
            mlflow.set_tracking_uri(self.settings.tracking_uri)
            try:
                yield mlflow.MlflowClient(self.settings.tracking_uri)
            except CardfraudError:
                raise
            except (MlflowException, OSError) as error:
                first = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise Unavailable(self._part, first) from error
            except (Boto3Error, BotoCoreError, ClientError) as error:
                raise Unavailable("store of MLflow's artifacts", str(error)) from error
            finally:
                mlflow.set_tracking_uri(before)

    def _variables(self) -> dict[str, str]:
        store, settings = self._store, self.settings
        secret = store.secret_access_key
        values = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": str(settings.timeout_s),
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(settings.retries),
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "MLFLOW_S3_ENDPOINT_URL": store.endpoint_url,
            "AWS_DEFAULT_REGION": store.region,
            "AWS_ACCESS_KEY_ID": store.access_key_id,
            "AWS_SECRET_ACCESS_KEY": secret.get_secret_value() if secret else None,
        }
        return {name: value for name, value in values.items() if value is not None}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Let a library log errors only: MLflow otherwise comments on every call."""
    chatty = logging.getLogger(logger)
    before = chatty.level
    chatty.setLevel(logging.ERROR)
    try:
        yield
    finally:
        chatty.setLevel(before)


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _quotable(name: str) -> str:
    if "'" in name:
        raise InvalidSetting("model", f"{name!r} holds a quote")
    return name
