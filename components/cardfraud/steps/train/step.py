"""Train one candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from pydantic import BaseModel, ConfigDict

from cardfraud.adapters.candidates import write_candidate
from cardfraud.contracts.bundle import LINEAGE_FILE, MODEL_FILE, SIGNATURE_FILE
from cardfraud.contracts.candidate import TEST_FILE, TRAINING_FILE, VALIDATION_FILE, Candidate
from cardfraud.contracts.digests import canonical_json, sha256_hex
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.steps.train.config import TrainConfig
from cardfraud.steps.train.fitting import Fitted, fit_splits
from cardfraud.steps.train.lineage import lineage_of
from cardfraud.steps.train.rows import Splits, TrainingSets, read_splits
from cardfraud.steps.train.scored_rows import scored_rows

if TYPE_CHECKING:
    from cardfraud.adapters.object_store import ObjectStore
    from cardfraud.adapters.registry import TrackedRun, Tracking

_log = structlog.get_logger(__name__)


class TrainResult(BaseModel):
    """What a training run left."""

    model_config = ConfigDict(frozen=True)

    candidate: Candidate
    metrics: dict[str, dict[str, float | None]]
    """By period: train, validation, test."""
    rows: dict[str, dict[str, int]]
    parity: float
    """Largest difference between estimator and ONNX graph on any test row."""


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
    fitted = fit_splits(config, splits)
    lineage = lineage_of(config, splits, fitted)
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    rows = {name: part.counts() for name, part in parts.items()}
    with tracking.run(f"{config.model}-{config.algorithm}") as tracked:
        tracked_model = _record(tracked, config, fitted, lineage, rows)
    candidate = write_candidate(
        store,
        _candidate(config, fitted, tracked.run_id, tracked_model),
        _files(splits, fitted, lineage, rows),
    )
    _log.info("trained", algorithm=config.algorithm, run_id=candidate.run_id, rows=rows["train"])
    return TrainResult(candidate=candidate, metrics=fitted.metrics, rows=rows, parity=fitted.parity)


def _record(
    tracked: TrackedRun,
    config: TrainConfig,
    fitted: Fitted,
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


def _candidate(config: TrainConfig, fitted: Fitted, run_id: str, tracked_model: str) -> Candidate:
    """Describe the candidate; the digests of its files come when they are written."""
    return Candidate(
        run_id=run_id,
        tracked_model=tracked_model,
        model=config.model,
        algorithm=config.algorithm,
        split=config.split,
        train=config.train,
        validation=config.validation,
        test=config.test,
        validation_average_precision=fitted.metrics["validation"]["average_precision"] or 0.0,
        files={},
    )


def _files(
    splits: Splits, fitted: Fitted, lineage: dict[str, Any], rows: dict[str, dict[str, int]]
) -> dict[str, bytes]:
    validation, test = fitted.scores["validation"], fitted.scores["test"]
    return {
        MODEL_FILE: fitted.onnx,
        SIGNATURE_FILE: canonical_json(fitted.signature.model_dump(mode="json")),
        LINEAGE_FILE: canonical_json(lineage),
        TRAINING_FILE: canonical_json(
            {"metrics": fitted.metrics, "rows": rows, "parity": fitted.parity}
        ),
        VALIDATION_FILE: scored_rows(splits.validation, validation, features=False),
        TEST_FILE: scored_rows(splits.test, test, features=True),
    }
