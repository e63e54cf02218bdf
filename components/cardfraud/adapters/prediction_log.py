"""Reading the prediction log: the rows of some days, each decision once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from cardfraud.adapters.documents import check_name
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.days import DayRange
from cardfraud.contracts.telemetry import PREDICTION_SCHEMA_VERSION
from cardfraud.errors import InvalidFrame, NotFound

if TYPE_CHECKING:
    import polars as pl

_SINCE_VERSION_2: Final = ("rule_values",)
_MAY_BE_NULL: Final = ("score", "age_seconds", "rule_values")


@dataclass(frozen=True, slots=True)
class SetAside:
    """A file that was not used, and why."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class LoggedPredictions:
    """What the log holds of some days.

    Attributes:
        frame: ``PREDICTION_SCHEMA``; each (transaction, track, bundle) once, in the order of
            serving. ``rule_values`` is null in rows of version 1.
        repeated: rows left out because an earlier one has the same transaction, track and bundle.
        files: files that were used; those without rows are the places of lost ones.
        set_aside: files that were not.
    """

    frame: pl.DataFrame
    repeated: int
    files: int
    set_aside: tuple[SetAside, ...]

    def reasons(self) -> dict[str, int]:
        """How many files were set aside for each reason."""
        return dict(Counter(one.reason for one in self.set_aside))


def read_predictions(store: ObjectStore, model: str, days: DayRange) -> LoggedPredictions:
    """Read the prediction log of some days of serving (UTC).

    A file that somebody else put there, or that is damaged, is set aside as a whole; nothing of it
    is used. Files of an older schema version are read, with null for what it did not have.

    Raises:
        InvalidSetting: ``model`` cannot be a model's name.
        Unavailable: the object store does not answer.
    """
    import polars as pl

    from cardfraud.contracts.frames import PREDICTION_SCHEMA

    check_name("model", model)
    frames = [pl.DataFrame(schema=PREDICTION_SCHEMA)]
    aside: list[SetAside] = []
    for key in _listed(store, model, days):
        day = keys.predictions_day(key)
        if day is None:
            aside.append(SetAside(key, "the name is not one of the log's"))
            continue
        try:
            frames.append(_checked(store.get_frame(key), key, day))
        except (InvalidFrame, NotFound) as error:
            reason = error.reason if isinstance(error, InvalidFrame) else "gone while reading"
            aside.append(SetAside(key, reason))
    rows = pl.concat(frames).sort("served_at", maintain_order=True)
    identity = ["transaction_key", "track", "bundle"]
    unique = rows.unique(identity, keep="first", maintain_order=True)
    return LoggedPredictions(unique, len(rows) - len(unique), len(frames) - 1, tuple(aside))


def _listed(store: ObjectStore, model: str, days: DayRange) -> Iterator[str]:
    folder = keys.predictions_folder(model)
    if days.start is not None and days.end is not None:
        for number in range((days.end - days.start).days + 1):
            yield from store.keys(f"{folder}/date={days.start + timedelta(days=number)}/")
        return
    for key in store.keys(f"{folder}/"):
        day = keys.predictions_day(key)
        if day is None or days.covers(day):
            yield key


def _checked(frame: pl.DataFrame, key: str, day: date) -> pl.DataFrame:
    """Return the file's rows in the columns of the schema.

    Raises:
        InvalidFrame: it is not a file of the log.
    """
    import polars as pl

    from cardfraud.contracts.frames import PREDICTION_SCHEMA, require_schema
    from cardfraud.contracts.policy import Decision

    if frame.schema.get("schema_version") != PREDICTION_SCHEMA["schema_version"]:
        raise InvalidFrame(key, "it has no column schema_version of integers")
    version = max(frame["schema_version"].drop_nulls(), default=PREDICTION_SCHEMA_VERSION)
    if version == 1:
        absent = [pl.lit(None, PREDICTION_SCHEMA[name]).alias(name) for name in _SINCE_VERSION_2]
        frame = frame.with_columns(absent)
    elif version > PREDICTION_SCHEMA_VERSION:  # newer versions only add columns
        frame = frame.select(name for name in frame.columns if name in PREDICTION_SCHEMA)
    require_schema(frame, PREDICTION_SCHEMA, key)
    required = [name for name in PREDICTION_SCHEMA if name not in _MAY_BE_NULL]
    rules = {
        "a schema version that there is not": pl.col("schema_version") < 1,
        "a null where there must be a value": pl.any_horizontal(pl.col(required).is_null()),
        "rows of another day than the folder's": pl.col("served_at").dt.date() != day,
        "a score that is no probability": ~pl.col("score").is_between(0, 1),
        "a decision that there is not": ~pl.col("decision").is_in([one.value for one in Decision]),
    }
    found = frame.select(rule.any().alias(name) for name, rule in rules.items())
    for name in rules:
        if found.item(0, name):
            raise InvalidFrame(key, name)
    return frame.select(*PREDICTION_SCHEMA)
