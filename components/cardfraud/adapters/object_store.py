"""Any S3 endpoint, through boto3: whole objects, listings, and conditional writes.

Conditional writes (``If-None-Match: *`` and ``If-Match``) are what makes a published bundle
immutable and an alias move safe between two writers. A server that ignores them silently would
break both, so the steps that publish and deploy first call
:meth:`ObjectStore.check_conditional_writes`, which tries both.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from cardfraud.adapters.s3_errors import translated
from cardfraud.contracts.digests import sha256_hex
from cardfraud.errors import (
    CardfraudError,
    Conflict,
    InvalidFrame,
    InvalidSetting,
    NotFound,
    Unavailable,
)

if TYPE_CHECKING:
    import polars as pl


class ObjectStoreSettings(BaseSettings):
    """Where the object store is, from ``CARDFRAUD_S3_...`` variables."""

    model_config = SettingsConfigDict(env_prefix="CARDFRAUD_S3_", frozen=True, extra="forbid")

    bucket: str = "cardfraud"
    endpoint_url: str | None = None
    """Address of the S3 endpoint; none means the provider's own."""
    region: str = "us-east-1"
    access_key_id: str | None = None
    """None takes the credentials that boto3 finds (a role, a mounted token)."""
    secret_access_key: SecretStr | None = None
    connect_timeout_s: float = Field(default=3.0, gt=0)
    read_timeout_s: float = Field(default=30.0, gt=0)
    attempts: int = Field(default=3, ge=1, le=10)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's content and the tag that a conditional write needs."""

    content: bytes
    etag: str


class ObjectStore:
    """One bucket of an S3 endpoint.

    Every method raises :class:`~cardfraud.errors.Unavailable` when the endpoint does not answer,
    :class:`~cardfraud.errors.NotFound` when there is no such bucket and
    :class:`~cardfraud.errors.InvalidInput` for a key that cannot be. Keys never begin with a slash.
    """

    def __init__(self, settings: ObjectStoreSettings) -> None:
        """Keep the settings; the first call opens the connection.

        Raises:
            InvalidSetting: the endpoint is no address, or one of the two keys is missing.
        """
        self.settings = settings
        self.bucket = settings.bucket
        try:
            self._client = _client(settings)
        except (BotoCoreError, ValueError) as error:
            raise InvalidSetting("CARDFRAUD_S3_...", str(error)) from error

    def uri(self, key: str) -> str:
        """``s3://bucket/key`` of a key or a prefix."""
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str) -> bytes:
        """Return an object's content.

        Raises:
            NotFound: there is no such object.
        """
        return self.get_tagged(key).content

    def get_tagged(self, key: str) -> StoredObject:
        """Return an object's content with its tag.

        Raises:
            NotFound: there is no such object.
        """
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=key)
            return StoredObject(answer["Body"].read(), answer["ETag"])
        except (ClientError, BotoCoreError) as error:
            raise self._translated(error, key) from error

    def exists(self, key: str) -> bool:
        """Tell whether there is an object of this key."""
        try:
            self._client.head_object(Bucket=self.bucket, Key=key)
        except (ClientError, BotoCoreError) as error:
            reason = self._translated(error, key)
            if not isinstance(reason, NotFound):
                raise reason from error
            self._check_bucket()  # the answer to a HEAD does not say what is absent
            return False
        return True

    def put(self, key: str, content: bytes) -> str:
        """Write an object, replacing what is there; return its tag."""
        return self._put(key, content)

    def put_if_absent(self, key: str, content: bytes) -> str:
        """Write an object that must not exist yet; return its tag.

        Raises:
            Conflict: the key is taken.
        """
        return self._put(key, content, IfNoneMatch="*")

    def put_if_match(self, key: str, content: bytes, etag: str) -> str:
        """Replace the very object that was read with ``etag``; return the new tag.

        Raises:
            Conflict: somebody else wrote or deleted it in between.
        """
        try:
            return self._put(key, content, IfMatch=etag)
        except NotFound as error:
            if error.kind == "bucket":
                raise
            raise Conflict(self.uri(key), "somebody else deleted it first") from error

    def delete(self, key: str) -> None:
        """Delete an object; deleting one that is not there is no error."""
        try:
            self._client.delete_object(Bucket=self.bucket, Key=key)
        except (ClientError, BotoCoreError) as error:
            raise self._translated(error, key) from error

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield all keys that begin with ``prefix``, in order."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix
            )
            for page in pages:
                for item in page.get("Contents", []):
                    yield str(item["Key"])
        except (ClientError, BotoCoreError) as error:
            raise self._translated(error, prefix) from error

    def get_frame(self, key: str) -> pl.DataFrame:
        """Read a Parquet object as a polars frame.

        Raises:
            NotFound: there is no such object.
            InvalidFrame: it is no Parquet, cut off or damaged.
        """
        return decode_frame(self.get(key), key)

    def put_frame(self, key: str, frame: pl.DataFrame) -> str:
        """Write a polars frame as one Parquet object; return the SHA-256 of its bytes."""
        content = encode_frame(frame)
        self.put(key, content)
        return sha256_hex(content)

    def check_conditional_writes(self) -> None:
        """Make sure that the endpoint honours conditional writes, with a small object of its own.

        Raises:
            Unavailable: it overwrote an object that it was told not to.
        """
        key = f"aliases/.probe-{uuid.uuid4().hex}"
        writes: dict[str, Callable[[], str]] = {
            "If-None-Match": lambda: self.put_if_absent(key, b"second"),
            "If-Match": lambda: self.put_if_match(key, b"second", f'"{"0" * 32}"'),
        }
        try:
            self.put_if_absent(key, b"first")
            for header, write in writes.items():
                try:
                    write()
                except Conflict:
                    continue
                hint = "use an endpoint with conditional writes"
                raise Unavailable("object store", f"it ignores {header}", hint=hint)
        finally:
            self.delete(key)

    def _check_bucket(self) -> None:
        try:
            self._client.head_bucket(Bucket=self.bucket)
        except (ClientError, BotoCoreError) as error:
            raise self._translated(error, "") from error

    def _put(self, key: str, content: bytes, **conditions: str) -> str:
        try:
            answer = self._client.put_object(
                Bucket=self.bucket, Key=key, Body=content, **conditions
            )
        except (ClientError, BotoCoreError) as error:
            raise self._translated(error, key) from error
        return str(answer["ETag"])

    def _translated(self, error: ClientError | BotoCoreError, key: str) -> CardfraudError:
        part = f"object store {self.settings.endpoint_url or 's3'}"
        return translated(error, part, self.bucket, key)


def _client(settings: ObjectStoreSettings) -> Any:
    secret = settings.secret_access_key
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            signature_version="s3v4",
            # Signing the content keeps a server from storing what a killed client sent half:
            # versitygw stores the bytes that came where the signature does not cover them.
            s3={"addressing_style": "path", "payload_signing_enabled": True},
            request_checksum_calculation="when_supported",
            response_checksum_validation="when_supported",
            connect_timeout=settings.connect_timeout_s,
            read_timeout=settings.read_timeout_s,
            retries={"total_max_attempts": settings.attempts, "mode": "standard"},
            max_pool_connections=16,
        ),
    )


def encode_frame(frame: pl.DataFrame) -> bytes:
    """Return a frame as Parquet; the same rows give the same bytes with the same polars."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", statistics=True)
    return buffer.getvalue()


def decode_frame(content: bytes, key: str) -> pl.DataFrame:
    """Read Parquet bytes.

    Raises:
        InvalidFrame: they are no Parquet, cut off or damaged; the message names ``key``.
    """
    import polars as pl  # servers use this module without polars

    try:
        return pl.read_parquet(io.BytesIO(content))
    # Damaged metadata can make the decoder panic, which is no Exception in Python.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        said = str(error).splitlines() or [type(error).__name__]
        reason = f"cannot be read as Parquet: {said[0]}"
        raise InvalidFrame(key, reason, hint="is the object whole? write it again") from error
