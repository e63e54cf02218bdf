"""Where the online store is and how long to wait for it."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class FeatureStoreSettings(BaseSettings):
    """Settings of the feature store, from ``CARDFRAUD_FEAST_...`` variables."""

    model_config = SettingsConfigDict(env_prefix="CARDFRAUD_FEAST_", frozen=True, extra="forbid")

    project: str = Field(default="cardfraud", pattern=r"^[a-z][a-z0-9_]{0,62}$")
    """Feast's project: part of every key in Redis, so that deployments can share a server."""
    redis_host: str = Field(default="127.0.0.1", pattern=r"^[^,=:\s]+$")
    redis_port: int = Field(default=6379, ge=1, le=65_535)
    redis_password: SecretStr | None = None
    redis_db: int = Field(default=0, ge=0)
    redis_tls: bool = False
    connect_timeout_s: float = Field(default=1.0, gt=0)
    read_timeout_s: float = Field(default=2.0, gt=0)
    key_ttl_s: int | None = Field(default=None, ge=1)
    """Redis forgets an entity that nobody wrote for so long; none keeps it for ever. An entity that
    was forgotten is a cold start, not a stale one, so this should be longer than any outage."""
    registry_cache_ttl_s: int = Field(default=0, ge=0)
    """Age at which the registry is read again; 0 reads it once, which keeps requests even."""
    online_reader: Literal["direct", "feast"] = "direct"
    """How servers read state: straight from Redis in Feast's layout, or through Feast's SDK. Both
    read the same; the SDK takes about seven times the processor time."""
    push_batch: int = Field(default=500, ge=1, le=10_000)
    """States that one push carries at most."""
    training_chunk_rows: int = Field(default=150_000, ge=1)
    """Rows of a training set that are joined at a time, which bounds its memory."""

    @field_validator("redis_password")
    @classmethod
    def _fits_in_a_connection_string(cls, value: SecretStr | None) -> SecretStr | None:
        # Feast splits its connection string at commas, and there is no way to quote one.
        if value is not None and "," in value.get_secret_value():
            msg = "must not contain a comma"
            raise ValueError(msg)
        return value

    def connection_string(self) -> str:
        """Return what Feast's Redis store takes; it holds the password in clear.

        Feast reads each value as JSON where it can, so that the password is written as a JSON
        string: ``1e3`` stays the text that it is.
        """
        parts: dict[str, Any] = {
            "db": self.redis_db,
            "ssl": self.redis_tls,
            "socket_connect_timeout": self.connect_timeout_s,
            "socket_timeout": self.read_timeout_s,
        }
        if self.redis_password is not None:
            parts["password"] = self.redis_password.get_secret_value()
        options = ",".join(f"{name}={json.dumps(value)}" for name, value in parts.items())
        return f"{self.redis_host}:{self.redis_port},{options}"

    @property
    def online_store(self) -> str:
        """Name of the online store for messages: host and port, no credentials."""
        return f"online store {self.redis_host}:{self.redis_port}"
