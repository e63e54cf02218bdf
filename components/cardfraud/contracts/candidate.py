"""A candidate: what training leaves for evaluation and publication, before it is a bundle.

::

    candidates/<run id>/
        model.onnx  signature.json  lineage.json
        training.json        what was measured at training, parity with the estimator
        validation.parquet   rows and scores from which thresholds are chosen
        test.parquet         rows, features and scores of the held-out time; a feature is null where
                             there is no value
        candidate.json       written last: sha256 of each of the above
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from cardfraud.contracts.bundle import LINEAGE_FILE, MODEL_FILE, SIGNATURE_FILE, Hex
from cardfraud.contracts.frozen import Frozen

CANDIDATE_SCHEMA_VERSION: Final = 2
"""Version 1 held defaults in ``test.parquet`` where a value was missing; now nulls are there."""
DATASET_SCHEMA_VERSION: Final = 1
CANDIDATE_FILE: Final = "candidate.json"
TRAINING_FILE: Final = "training.json"
VALIDATION_FILE: Final = "validation.parquet"
TEST_FILE: Final = "test.parquet"
TRAINED_FILES: Final = (MODEL_FILE, SIGNATURE_FILE, LINEAGE_FILE)
"""What a bundle takes over from training as it is."""

Split = Literal["time", "leaky_stratified"]
"""``leaky_stratified`` draws rows at random: the same card then stands on both sides and the future
is known. It exists to show by how much that flatters; what it gives is never published."""


class Period(Frozen):
    """Whole UTC days from ``start`` up to, without, ``end``."""

    start: date
    end: date

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.start >= self.end:
            msg = "start must lie before end"
            raise ValueError(msg)
        return self

    @property
    def begins(self) -> datetime:
        """Midnight at which the period begins."""
        return datetime.combine(self.start, time(), UTC)

    @property
    def ends(self) -> datetime:
        """Midnight at which the period is over."""
        return datetime.combine(self.end, time(), UTC)


class DatasetObject(Frozen):
    """One object of a data set."""

    key: str
    sha256: Hex
    size: Annotated[int, Field(ge=0)]


class DatasetManifest(Frozen):
    """A data set by the bytes of its objects, so that the very same one can be read again."""

    schema_version: Literal[1] = DATASET_SCHEMA_VERSION
    start: date
    end: date
    """The first day that is not in it."""
    objects: tuple[DatasetObject, ...]


class Candidate(Frozen):
    """What is known of a candidate without reading its files."""

    schema_version: Literal[2] = CANDIDATE_SCHEMA_VERSION
    run_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """The run in the tracking server."""
    tracked_model: str
    """Identifier of the model in the tracking server."""
    model: str
    algorithm: str
    split: Split
    train: Period
    validation: Period
    test: Period
    validation_average_precision: Annotated[float, Field(ge=0, le=1)]
    """The one figure by which candidates are chosen; nothing of the test rows is in it."""
    files: Mapping[str, Hex]
