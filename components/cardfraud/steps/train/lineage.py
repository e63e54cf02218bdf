"""The record of a run: what it takes to make the same model again."""

from __future__ import annotations

from typing import Any

from cardfraud.contracts.digests import sha256_hex
from cardfraud.features.definitions import feature_set_digest
from cardfraud.models.parity import TOLERANCE
from cardfraud.steps.train import provenance
from cardfraud.steps.train.config import TrainConfig
from cardfraud.steps.train.fitting import Fitted
from cardfraud.steps.train.rows import Splits


def lineage_of(config: TrainConfig, splits: Splits, fitted: Fitted) -> dict[str, Any]:
    """Return the record, JSON values only; no time of day is in it, so that its bytes repeat."""
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
            # What the estimator really saw, whatever the stores read it from.
            "features_sha256": {
                name: sha256_hex(part.features.tobytes()) for name, part in parts.items()
            },
            "labels_sha256": {
                name: sha256_hex(part.labels.tobytes()) for name, part in parts.items()
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
