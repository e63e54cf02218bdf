"""Names of objects in the bucket: the one place that knows where things lie.

A digest directory always ends with a slash where it is used as a prefix, because an S3 prefix has
no boundary: ``models/fraud/v1`` would also match ``models/fraud/v10``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Final

_OF_THE_LOG: Final = re.compile(
    r"predictions/[^/]+/date=([0-9]{4}-[0-9]{2}-[0-9]{2})/[0-9a-f]{32}-[0-9]{8,}\.parquet"
)
_OF_A_DAY: Final = re.compile(r"[^=]+/date=([0-9]{4}-[0-9]{2}-[0-9]{2})(/part-0\.parquet|\.json)")


def partition(folder: str, day: date) -> str:
    """Key of the one Parquet object of a day: ``folder/date=YYYY-MM-DD/part-0.parquet``."""
    return f"{folder}/date={day.isoformat()}/part-0.parquet"


def partition_day(key: str) -> date | None:
    """Day of a key that :func:`partition` or :func:`raw_manifest` made; None of any other key."""
    found = _OF_A_DAY.fullmatch(key)
    try:
        return None if found is None else date.fromisoformat(found[1])
    except ValueError:
        return None


def partitions(listed: Iterable[str], folder: str) -> dict[date, str]:
    """Of listed keys those that :func:`partition` made for a folder, by day.

    Whatever else somebody left below the folder is left out.
    """
    days = ((partition_day(key), key) for key in listed)
    return {day: key for day, key in days if day is not None and key == partition(folder, day)}


RAW_TRANSACTIONS = "raw/transactions"
RAW_LABELS = "raw/labels"
RAW_USERS = "raw/users/users.parquet"
RAW_MANIFESTS = "raw/_manifest"
VALIDATED_TRANSACTIONS = "validated/transactions"
QUARANTINE_TRANSACTIONS = "quarantine/transactions"
QUARANTINE_INGEST = "quarantine/ingest"
VALIDATION_REPORTS = "reports/validation"
EVALUATION_REPORTS = "reports/evaluation"
FEAST_REGISTRY = "feast/registry.db"


def raw_manifest(day: date) -> str:
    """Key of the manifest that says a day's raw data is complete."""
    return f"{RAW_MANIFESTS}/date={day.isoformat()}.json"


def values_folder(view: str) -> str:
    """Folder of a feature view's values."""
    return f"features/values/{view}"


def state_folder(view: str) -> str:
    """Folder of a state view's snapshots."""
    return f"features/state/{view}"


def bundle_prefix(model: str, digest: str) -> str:
    """Prefix of a bundle's files, with its closing slash."""
    return f"models/{model}/{digest}/"


def bundle_alias(model: str, alias: str) -> str:
    """Key of an alias of a bundle."""
    return f"aliases/models/{model}/{alias}.json"


def policy(model: str, digest: str) -> str:
    """Key of a policy."""
    return f"policies/{model}/{digest}/policy.json"


def policy_alias(model: str, alias: str) -> str:
    """Key of an alias of a policy."""
    return f"aliases/policies/{model}/{alias}.json"


def tracks(model: str) -> str:
    """Key of the desired state of serving."""
    return f"tracks/{model}/tracks.json"


def predictions_folder(model: str) -> str:
    """Folder of the prediction log."""
    return f"predictions/{model}"


def predictions(model: str, day: date, writer: str, sequence: int) -> str:
    """Key of one object of the prediction log."""
    return f"{predictions_folder(model)}/date={day:%Y-%m-%d}/{writer}-{sequence:08d}.parquet"


def predictions_day(key: str) -> date | None:
    """Day of a key that :func:`predictions` made; None of any other key."""
    found = _OF_THE_LOG.fullmatch(key)
    try:
        return None if found is None else date.fromisoformat(found[1])
    except ValueError:
        return None
