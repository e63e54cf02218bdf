"""Settings of the two servers, read once from ``CARDFRAUD_...`` variables and arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cardfraud.contracts.bundle import Digest
from cardfraud.contracts.tracks import TrackName
from cardfraud.contracts.transactions import Currency
from cardfraud.errors import InvalidSetting

Port = Annotated[int, Field(ge=1, le=65_535)]
Seconds = Annotated[float, Field(gt=0, le=600)]


class ServerSettings(BaseSettings):
    """What both servers need."""

    prefix: ClassVar[str]
    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    model_name: Annotated[
        str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Name in the URL's path.")
    ] = "fraud"
    host: Annotated[str, Field(description="Address to listen on; 0.0.0.0 inside a container.")] = (
        "127.0.0.1"
    )
    http_port: Annotated[
        Port, Field(description="Port of REST v1, v2, the plain face and /metrics.")
    ] = 8080
    grpc_port: Annotated[Port, Field(description="Port of gRPC (Open Inference Protocol).")] = 8081
    enable_grpc: Annotated[bool, Field(description="Whether to listen for gRPC.")] = True
    workers: Annotated[
        int,
        Field(description="Must be 1: scale by replicas (containerConcurrency sets this, too)."),
    ] = 1
    grace_s: Annotated[
        Seconds, Field(description="Seconds that requests in flight get after SIGTERM.")
    ] = 10.0
    body_timeout_s: Annotated[
        Seconds,
        Field(
            description="Seconds for the head of a request, for its body, for what is left of a "
            "body after its answer, and for a client to take its answer."
        ),
    ] = 10.0
    idle_timeout_s: Annotated[
        Seconds, Field(description="Seconds that a connection stays open without a request.")
    ] = 65.0
    cache_dir: Annotated[
        Path | None,
        Field(description="Folder of verified copies, for a start without the object store."),
    ] = None
    access_log: Annotated[
        bool, Field(description="Whether each REST request to a model gets a line.")
    ] = True
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="Least level logged.")
    ] = "info"

    @model_validator(mode="after")
    def _one_worker(self) -> Self:
        if self.workers != 1:
            msg = "workers must be 1: a second process would share neither models nor metrics"
            raise ValueError(msg)
        return self


class PredictorSettings(ServerSettings):
    """The predictor: ``CARDFRAUD_PREDICTOR_...``."""

    prefix: ClassVar[str] = "CARDFRAUD_PREDICTOR_"
    model_config = SettingsConfigDict(env_prefix="CARDFRAUD_PREDICTOR_")

    bundle: Annotated[
        Digest | None,
        Field(description="Digest of the bundle to serve; from S3 unless model_dir is set."),
    ] = None
    model_dir: Annotated[
        Path | None,
        Field(description="Folder that holds the bundle, such as /mnt/models, in place of S3."),
    ] = None
    executor_rows: Annotated[
        int, Field(ge=1, description="Batches of more rows are scored in a thread of their own.")
    ] = 256

    @model_validator(mode="after")
    def _a_bundle(self) -> Self:
        if self.bundle is None and self.model_dir is None:
            msg = "bundle or model_dir must be set"
            raise ValueError(msg)
        return self


class TransformerSettings(ServerSettings):
    """The transformer: ``CARDFRAUD_TRANSFORMER_...``."""

    prefix: ClassVar[str] = "CARDFRAUD_TRANSFORMER_"
    model_config = SettingsConfigDict(env_prefix="CARDFRAUD_TRANSFORMER_")

    bundle: Annotated[Digest, Field(description="Digest of the bundle that is served.")]
    policy: Annotated[
        Digest,
        Field(description="Digest of the policy that decides, until tracks.json names another."),
    ]
    fused: Annotated[
        bool,
        Field(description="Whether the model runs in this process, so that there is no predictor."),
    ] = False
    predictor_host: Annotated[
        str,
        Field(
            pattern=r"^([^/:\s]+(:\d{1,5})?)?$",
            description="host or host:port of the predictor's REST port; of no use when fused.",
        ),
    ] = ""
    prediction_log_key: Annotated[
        SecretStr, Field(min_length=16, description="Key of the hashes that stand for ids.")
    ]
    track: Annotated[TrackName, Field(description="Name of this track.")] = "stable"
    clock: Annotated[
        Literal["live", "replay"],
        Field(description="live refuses events ahead of the clock; replay takes any time."),
    ] = "live"
    currency: Annotated[Currency, Field(description="The one currency that is accepted.")] = "EUR"
    predictor_timeout_s: Annotated[
        Seconds,
        Field(
            description="Seconds for the predictor, up to 100 rows; more get more in proportion. "
            "Of no use when fused."
        ),
    ] = 0.2
    features_timeout_s: Annotated[
        Seconds, Field(description="Seconds for reading the features, likewise.")
    ] = 0.1
    micro_batch: Annotated[
        bool,
        Field(description="Whether reads and predictor calls that coincide go out as one."),
    ] = True
    reasons_timeout_s: Annotated[
        float,
        Field(ge=0, le=60, description="Seconds for explaining what is not approved; 0: never."),
    ] = 0.05
    repeated_entries: Annotated[
        int,
        Field(ge=0, description="Answers kept for transactions that are asked again; 0: none."),
    ] = 20_000
    repeated_seconds: Annotated[Seconds, Field(description="Seconds that they are kept.")] = 300.0
    policy_refresh_s: Annotated[
        float,
        Field(ge=0, le=3_600, description="Seconds between looks at tracks.json; 0: never."),
    ] = 10.0
    prediction_log_rows: Annotated[
        int, Field(ge=1, description="Rows after which the prediction log writes a file.")
    ] = 5_000
    prediction_log_seconds: Annotated[
        Seconds, Field(description="Seconds after which it writes what it has.")
    ] = 10.0
    prediction_log_queue: Annotated[
        int, Field(ge=1, description="Rows that may wait; further ones are dropped and counted.")
    ] = 50_000
    prediction_log_drain_s: Annotated[
        Seconds, Field(description="Seconds that writing the rest may take after SIGTERM.")
    ] = 10.0
    prediction_log_journal: Annotated[
        Path | None,
        Field(description="File that counts what a killed process did not write; none: no count."),
    ] = None

    @model_validator(mode="after")
    def _a_model(self) -> Self:
        if not self.fused and not self.predictor_host:
            msg = "predictor_host must be set, unless fused is"
            raise ValueError(msg)
        return self


Settings = TypeVar("Settings", bound=ServerSettings)


def read_settings(kind: type[Settings], arguments: Mapping[str, Any]) -> Settings:
    """Read the settings of one server; arguments win over the environment.

    Raises:
        InvalidSetting: a variable is missing, wrong, or has a name that means nothing.
    """
    prefix = kind.prefix
    known = {f"{prefix}{name}".upper() for name in kind.model_fields}
    for variable in os.environ:
        if variable.upper().startswith(prefix) and variable.upper() not in known:
            raise InvalidSetting(variable, "there is no such setting", hint="see --help")
    try:
        return kind(**arguments)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        variable = f"{prefix}{name}".upper() if name else prefix.rstrip("_")
        raise InvalidSetting(
            variable, first["msg"].removeprefix("Value error, "), hint="see --help"
        ) from error
