"""Train one candidate."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cardfraud.adapters.candidates import write_candidate
from cardfraud.contracts.bundle import (
    LINEAGE_FILE,
    MODEL_FILE,
    SIGNATURE_FILE,
    InputColumn,
    Signature,
)
from cardfraud.contracts.candidate import (
    TEST_FILE,
    TRAINING_FILE,
    VALIDATION_FILE,
    Candidate,
)
from cardfraud.contracts.digests import canonical_json, sha256_hex
from cardfraud.evaluation.classification import classification_metrics
from cardfraud.features.definitions import FEATURE_NAMES, FEATURES, feature_set_digest
from cardfraud.models.parity import TOLERANCE, require_parity
from cardfraud.models.training import TrainedModel, fit
from cardfraud.steps.train import provenance
from cardfraud.steps.train.config import TrainConfig
from cardfraud.steps.train.rows import Rows, Splits, TrainingSets, read_splits

if TYPE_CHECKING:
    from cardfraud.adapters.object_store import ObjectStore
    from cardfraud.adapters.registry import TrackedRun, Tracking

_log = structlog.get_logger(__name__)

_COUNTS = {
    "threshold",
    "k",
    "true_positives",
    "false_positives",
    "false_negatives",
    "true_negatives",
}


class TrainResult(BaseModel):
    """What a training run left."""

    model_config = ConfigDict(frozen=True)

    candidate: Candidate
    metrics: dict[str, dict[str, float | None]]
    """By period: train, validation, test."""
    rows: dict[str, dict[str, int]]
    parity: float
    """Largest difference between estimator and ONNX graph on any test row."""


@dataclass(frozen=True, slots=True)
class _Fitted:
    model: TrainedModel
    onnx: bytes
    parity: float
    scores: dict[str, NDArray[np.float32]]
    metrics: dict[str, dict[str, float | None]]
    signature: Signature


def run(
    config: TrainConfig, store: ObjectStore, features: TrainingSets, tracking: Tracking
) -> TrainResult:
    """Fit, export, prove that the export agrees, record the run, leave a candidate.

    Args:
        config: which estimator, which periods, which moment.
        store: holds the data, gets the candidate.
        features: gives the feature values of transactions, point in time.
        tracking: gets the run.

    Raises:
        Unavailable: the object store or the tracking server does not answer; asked first.
        InvalidFrame: there is nothing to train on.
        InvalidSetting: a parameter that the estimator does not take.
        IntegrityError: the graph gives other numbers than the estimator on some test row.
    """
    tracking.check()
    if config.split == "leaky_stratified":
        _log.warning(
            "leaky_split", reason="rows drawn at random: the same cards and the future are on both "
            "sides, so the figures are too good; such a candidate is never published",
        )  # fmt: skip
    splits = read_splits(config, store, features)
    fitted = _fit(config, splits)
    lineage = _lineage(config, splits, fitted)
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    rows = {name: part.counts() for name, part in parts.items()}
    with tracking.run(f"{config.model}-{config.algorithm}") as tracked:
        tracked_model = _record(tracked, config, fitted, lineage, rows)
    candidate = write_candidate(
        store,
        Candidate(
            run_id=tracked.run_id,
            tracked_model=tracked_model,
            model=config.model,
            algorithm=config.algorithm,
            split=config.split,
            train=config.train,
            validation=config.validation,
            test=config.test,
            validation_average_precision=fitted.metrics["validation"]["average_precision"] or 0.0,
            files={},
        ),
        {
            MODEL_FILE: fitted.onnx,
            SIGNATURE_FILE: canonical_json(fitted.signature.model_dump(mode="json")),
            LINEAGE_FILE: canonical_json(lineage),
            TRAINING_FILE: canonical_json(
                {"metrics": fitted.metrics, "rows": rows, "parity": fitted.parity}
            ),
            VALIDATION_FILE: _scored(
                splits.validation, fitted.scores["validation"], features=False
            ),
            TEST_FILE: _scored(splits.test, fitted.scores["test"], features=True),
        },
    )
    _log.info("trained", algorithm=config.algorithm, run_id=candidate.run_id, rows=rows["train"])
    return TrainResult(candidate=candidate, metrics=fitted.metrics, rows=rows, parity=fitted.parity)


def _fit(config: TrainConfig, splits: Splits) -> _Fitted:
    parameters = dict(config.parameters)
    if config.class_weight is not None:
        parameters["positive_weight"] = config.class_weight
    held_out = splits.validation
    model = fit(
        config.algorithm,
        splits.train.features,
        splits.train.labels,
        params=parameters,
        seed=config.seed,
        validation=(held_out.features, held_out.labels) if config.calibrate else None,
        threads=config.threads,
    )
    onnx = model.to_onnx(FEATURE_NAMES)
    parity = require_parity(model, onnx, splits.test.features)
    parts = {"train": splits.train, "validation": held_out, "test": splits.test}
    scores = {name: model.predict_probability(part.features) for name, part in parts.items()}
    metrics = {
        name: classification_metrics(part.labels, scores[name]).model_dump(exclude=_COUNTS)
        for name, part in parts.items()
    }
    return _Fitted(model, onnx, parity, scores, metrics, _signature(splits.train))


def _lineage(config: TrainConfig, splits: Splits, fitted: _Fitted) -> dict[str, Any]:
    """What it takes to make the same model again; no time of day, so that bytes repeat."""
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    return {
        "schema_version": 1,
        "data": {
            "dataset": splits.dataset.model_dump(mode="json"),
            "labels_as_of": config.trained_at.isoformat(),
            "test_labels_as_of": config.judged_at.isoformat(),
            "maturity_days": config.maturity.total_seconds() / 86_400,
            "split": config.split,
            "leaks": config.split != "time",
            "periods": {name: getattr(config, name).model_dump(mode="json") for name in parts},
            "rows": {name: part.counts() for name, part in parts.items()},
            # What the estimator really saw, whatever the feature store read it from.
            "features_sha256": {
                name: sha256_hex(part.features.tobytes()) for name, part in parts.items()
            },
        },
        "feature_set_digest": feature_set_digest(),
        "algorithm": config.algorithm,
        "parameters": fitted.model.parameters,
        "seed": config.seed,
        "parity": {"largest_difference": fitted.parity, "allowed": TOLERANCE},
        "code_revision": provenance.code_revision(),
        "lock_sha256": provenance.lock_digest(),
        "environment": provenance.environment(),
    }


def _record(
    tracked: TrackedRun,
    config: TrainConfig,
    fitted: _Fitted,
    lineage: dict[str, Any],
    rows: dict[str, dict[str, int]],
) -> str:
    tracked.parameters(
        {
            **fitted.model.parameters,
            "split": config.split,
            "labels_as_of": config.trained_at.isoformat(),
            **{
                f"{p}_period": f"{getattr(config, p).start} to {getattr(config, p).end}"
                for p in rows
            },
        }
    )
    for period, metrics in fitted.metrics.items():
        tracked.metrics(metrics, prefix=f"{period}_")
        tracked.metrics({f"{period}_{name}": float(n) for name, n in rows[period].items()})
    tracked.metrics({"parity": fitted.parity})
    tracked.tags(
        {
            "algorithm": config.algorithm,
            "code_revision": str(lineage["code_revision"]),
            "dataset_sha256": sha256_hex(canonical_json(lineage["data"]["dataset"])),
            "feature_set_digest": str(lineage["feature_set_digest"]),
            "lock_sha256": str(lineage["lock_sha256"]),
            "leaks": str(lineage["data"]["leaks"]).lower(),
        }
    )
    tracked.document("lineage.json", lineage)
    tracked.document("dataset.json", lineage["data"]["dataset"])
    tracked.document("signature.json", fitted.signature.model_dump(mode="json"))
    return tracked.onnx_model(fitted.onnx, columns=len(FEATURE_NAMES))


def _signature(rows: Rows) -> Signature:
    """Describe the input; the median of each column among legitimate rows is what is typical."""
    legitimate = rows.features[~rows.labels]
    # Column by column, because a median sorts a copy; of float32, so that a server has it exactly.
    typical = [float(np.median(legitimate[:, column])) for column in range(len(FEATURES))]
    return Signature(
        feature_set_digest=feature_set_digest(),
        inputs=tuple(
            InputColumn(name=feature.name, default=feature.default, typical=middle)
            for feature, middle in zip(FEATURES, typical, strict=True)
        ),
    )


def _scored(rows: Rows, scores: NDArray[np.float32], *, features: bool) -> bytes:
    import polars as pl

    frame = rows.frame.with_columns(pl.Series("score", scores, dtype=pl.Float32))
    if features:
        columns = [pl.Series(n, rows.features[:, i]) for i, n in enumerate(FEATURE_NAMES)]
        frame = frame.with_columns(columns)
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
