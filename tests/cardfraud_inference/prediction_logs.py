"""Prediction logs on stores that fail, and what they wrote."""

import io
from pathlib import Path

import polars as pl
from prometheus_client import REGISTRY

from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts.telemetry import hashed
from cardfraud.errors import Conflict, NotFound, Unavailable
from cardfraud_inference.telemetry.prediction_log import Destination, PredictionLog
from tests.support.predictions import LOG_KEY

FOLDER = "predictions/fraud/"


def read(store: ObjectStore) -> pl.DataFrame:
    """All rows of the log."""
    frames = [pl.read_parquet(io.BytesIO(store.get(key))) for key in store.keys(FOLDER)]
    schema = {"request_id": pl.String, "transaction_key": pl.String}
    return pl.concat(frames) if frames else pl.DataFrame(schema=schema)


def holds(rows: pl.DataFrame, names: str) -> bool:
    """Whether the rows are those of these transactions, one letter each."""
    return sorted(rows["transaction_key"]) == sorted(hashed(name, LOG_KEY) for name in names)


def counted(outcome: str) -> float:
    """Rows of that outcome in this process."""
    name = "cardfraud_prediction_log_rows_total"
    return REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0.0


class Failing:
    """A destination whose first writes fail; it keeps the others, and counts all."""

    def __init__(self, error: Exception, *, failures: int) -> None:
        """Fail so many times with this error."""
        self._error, self._failures = error, failures
        self.attempts = 0
        self.files: dict[str, bytes] = {}

    @property
    def rows(self) -> pl.DataFrame:
        """All rows that were written."""
        return pl.concat([pl.read_parquet(io.BytesIO(file)) for file in self.files.values()])

    def put_if_absent(self, key: str, content: bytes) -> str:
        """Write a file, or fail."""
        self.attempts += 1
        if self.attempts <= self._failures:
            raise self._error
        if key in self.files:
            raise Conflict(key, "it is there")
        self.files[key] = content
        return key

    def get(self, key: str) -> bytes:
        """Read a file."""
        if key not in self.files:
            raise NotFound("object", key)
        return self.files[key]


class Losing(Failing):
    """A destination that writes, and whose answer to the first write is lost on the way."""

    def put_if_absent(self, key: str, content: bytes) -> str:
        """Write a file."""
        written = super().put_if_absent(key, content)
        if self.attempts == 1:
            raise Unavailable("object store", "it did not answer")
        return written


def log(
    store: Destination,
    *,
    rows: int = 2,
    seconds: float = 600,
    capacity: int = 100,
    journal: Path | None = None,
    first_pause_s: float = 0.05,
) -> PredictionLog:
    """Return a log that writes after ``rows`` rows."""
    return PredictionLog(
        store,
        "fraud",
        key=LOG_KEY,
        rows=rows,
        seconds=seconds,
        capacity=capacity,
        journal=journal,
        first_pause_s=first_pause_s,
    )
