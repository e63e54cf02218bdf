"""Train again from the record of a run, and say whether the same model comes out."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from pydantic import ValidationError

from cardfraud.adapters.candidates import read_candidate, read_candidate_file
from cardfraud.contracts.bundle import LINEAGE_FILE, MODEL_FILE
from cardfraud.contracts.candidate import TEST_FILE, Candidate
from cardfraud.contracts.digests import sha256_hex
from cardfraud.contracts.frozen import Frozen
from cardfraud.errors import CardfraudError, IntegrityError, NotFound, Unavailable
from cardfraud.features.batch import vector_from_frame
from cardfraud.features.definitions import FEATURE_NAMES, feature_set_digest
from cardfraud.features.values import vector
from cardfraud.models.parity import onnx_probability
from cardfraud.steps.train import provenance
from cardfraud.steps.train.config import TrainConfig
from cardfraud.steps.train.differences import ABSENT, Difference, differences
from cardfraud.steps.train.fitting import fit_splits
from cardfraud.steps.train.lineage import lineage_of
from cardfraud.steps.train.rows import TrainingSets, read_splits

if TYPE_CHECKING:
    from cardfraud.adapters.object_store import ObjectStore

_log = structlog.get_logger(__name__)
# Part of the recorded parameters, but not of what an estimator takes.
_NOT_PARAMETERS = {"estimator", "seed", "calibration"}


class Repetition(Frozen):
    """What came of training again."""

    run_id: str
    algorithm: str
    recorded_sha256: str
    """Of the model that the run left."""
    repeated_sha256: str | None
    """Of the model that came out now; None when none did."""
    failure: str | None = None
    """Why none did."""
    differences: tuple[Difference, ...]
    """What is not as it was recorded. Not all of it need have an effect."""
    largest_score_difference: float | None = None
    """Between both models, over the test rows that the run left; None where they do not fit."""

    @property
    def same_bytes(self) -> bool:
        """Whether the very same model came out."""
        return self.repeated_sha256 == self.recorded_sha256


def repeat(run_id: str, store: ObjectStore, features: TrainingSets) -> Repetition:
    """Train again as the record of a run says, over the data as they are now.

    Nothing is written: neither a candidate nor a run.

    Args:
        run_id: names the candidate.
        store: holds it and the data.
        features: gives the feature values of transactions, point in time.

    Raises:
        NotFound: there is no such candidate.
        IntegrityError: its files are not those that training wrote, or its record lacks something.
        Unavailable: the object store does not answer.
    """
    candidate = read_candidate(store, run_id)
    recorded = json.loads(read_candidate_file(store, candidate, LINEAGE_FILE))
    config = configuration(candidate, recorded)
    before = candidate.files[MODEL_FILE]
    try:
        splits = read_splits(config, store, features)
        fitted = fit_splits(config, splits)
    except Unavailable:
        raise
    except CardfraudError as error:
        _log.warning("not_repeated", run_id=run_id, reason=str(error))
        return Repetition(
            run_id=run_id,
            algorithm=candidate.algorithm,
            recorded_sha256=before,
            repeated_sha256=None,
            failure=str(error),
            differences=differences(recorded, _surroundings(recorded, store), partial=True),
        )
    after = sha256_hex(fitted.onnx)
    _log.info("repeated", run_id=run_id, same_bytes=after == before)
    return Repetition(
        run_id=run_id,
        algorithm=candidate.algorithm,
        recorded_sha256=before,
        repeated_sha256=after,
        differences=differences(
            recorded, json.loads(json.dumps(lineage_of(config, splits, fitted)))
        ),
        largest_score_difference=_score_difference(store, candidate, fitted.onnx),
    )


def configuration(candidate: Candidate, lineage: dict[str, Any]) -> TrainConfig:
    """Return the configuration that the record of a run stands for.

    Raises:
        IntegrityError: the record lacks something, or says what no configuration can.
    """
    try:
        data, parameters = lineage["data"], lineage["parameters"]
        return TrainConfig.model_validate(
            {
                "model": candidate.model,
                "algorithm": lineage["algorithm"],
                "parameters": {k: v for k, v in parameters.items() if k not in _NOT_PARAMETERS},
                "calibrate": parameters["calibration"] is not None,
                "seed": lineage["seed"],
                **data["periods"],
                "split": data["split"],
                "maturity": 86_400 * data["maturity_days"],
                "labels_as_of": data["labels_as_of"],
                "test_labels_as_of": data["test_labels_as_of"],
            }
        )
    except (KeyError, TypeError, ValidationError) as error:
        raise IntegrityError(LINEAGE_FILE, "the record of a training run", str(error)) from error


def _surroundings(recorded: dict[str, Any], store: ObjectStore) -> dict[str, Any]:
    """What can be said of the second run when it failed: its environment, and the data's bytes."""
    objects = []
    for entry in recorded["data"]["dataset"]["objects"]:
        try:
            digest = sha256_hex(store.get(entry["key"]))
        except NotFound:
            digest = ABSENT
        objects.append({"key": entry["key"], "sha256": digest})
    return {
        "data": {"dataset": {"objects": objects}},
        "feature_set_digest": feature_set_digest(),
        "code_revision": provenance.code_revision(),
        "lock_sha256": provenance.lock_digest(),
        "environment": provenance.environment(),
    }


def _score_difference(store: ObjectStore, candidate: Candidate, onnx: bytes) -> float | None:
    """Score the recorded test rows with the new model; both saw the features of the first run."""
    import polars as pl

    rows = pl.read_parquet(io.BytesIO(read_candidate_file(store, candidate, TEST_FILE)))
    if any(name not in rows.columns for name in FEATURE_NAMES):
        return None
    features = vector(vector_from_frame(rows, FEATURE_NAMES))
    recorded = read_candidate_file(store, candidate, MODEL_FILE)
    apart = onnx_probability(onnx, features) - onnx_probability(recorded, features)
    return float(np.abs(apart).max(initial=0.0))
