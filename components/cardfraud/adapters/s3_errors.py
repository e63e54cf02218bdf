"""What boto3 raises, as errors of the one tree."""

from __future__ import annotations

from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
)

from cardfraud.errors import (
    CardfraudError,
    Conflict,
    InvalidInput,
    NotFound,
    Unavailable,
    shorten,
)

_PRECONDITION: Final = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_ABSENT: Final = {"NoSuchKey", "404", "NotFound"}
_REFUSED: Final = {
    "AccessDenied",
    "403",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "RequestTimeTooSkewed",
}
_IMPOSSIBLE: Final = {"KeyTooLongError", "EntityTooLarge", "XMinioInvalidResourceName"}
"""What no second attempt will mend."""


def translated(
    error: ClientError | BotoCoreError, part: str, bucket: str, key: str
) -> CardfraudError:
    """Return the error of ours that says what one of boto3 means.

    Args:
        error: what was raised.
        part: name of the object store, without credentials.
        bucket: which bucket was asked.
        key: key or prefix that was asked for; empty where it was the bucket itself.
    """
    uri = f"s3://{bucket}/{key}"
    if isinstance(error, ParamValidationError):
        return InvalidInput(f"{shorten(uri, 200)}: {error}")
    if isinstance(error, BotoCoreError):
        return _unreachable(part, error)
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    if code == "NoSuchBucket" or (code in _ABSENT and not key):
        return NotFound("bucket", bucket, hint="create it first")
    if code in _ABSENT:
        return NotFound("object", uri)
    if code in _PRECONDITION:
        return Conflict(uri, "somebody else wrote it first")
    return _refused(part, uri, code)


def _refused(part: str, uri: str, code: str) -> CardfraudError:
    if code in _IMPOSSIBLE:
        return InvalidInput(f"{shorten(uri, 200)}: {code}")
    if code in _REFUSED:
        return Unavailable(part, f"it refused the credentials ({code})")
    return Unavailable(part, code)


def _unreachable(part: str, error: BotoCoreError) -> Unavailable:
    if isinstance(error, NoCredentialsError):
        hint = "set CARDFRAUD_S3_ENDPOINT_URL and its keys, or source the stack's stack.env"
        return Unavailable(part, "there are no credentials", hint=hint)
    return Unavailable(part, type(error).__name__, hint="is the endpoint up?")
