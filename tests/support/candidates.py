"""Candidates around tiny graphs, left in an object store as training leaves them."""

from __future__ import annotations

import io
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cardfraud.adapters.candidates import write_candidate
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts.bundle import InputColumn, Signature
from cardfraud.contracts.candidate import Candidate
from cardfraud.contracts.digests import canonical_json
from cardfraud.features.batch import vector_from_frame
from cardfraud.features.definitions import FEATURE_NAMES, FEATURES, feature_set_digest
from cardfraud.features.values import vector
from cardfraud.scoring.session import OnnxScorer
from tests.support.training import days

FIRST = datetime(2024, 4, 3, tzinfo=UTC)
_PERIODS = {"train": days(0, 12), "validation": days(19, 26), "test": days(33, 42)}


@dataclass(frozen=True)
class JudgedRows:
    """Held-out rows, ``[N]`` each.

    Attributes:
        labels: true is fraud.
        amounts: major units.
        days: days since the first one.
        cards: numbers of the cards.
        segments: names; None leaves the rows without.
        features: by name, NaN where there is no value; the amount is that of the rows, and all
            others hold their defaults.
    """

    labels: NDArray[np.bool_]
    amounts: NDArray[np.float64]
    days: NDArray[np.int64]
    cards: NDArray[np.int64]
    segments: NDArray[np.object_] | None
    features: Mapping[str, NDArray[np.float64]]

    def frame(self) -> pl.DataFrame:
        """The rows as training writes them, without scores."""
        rows = len(self.labels)
        columns: dict[str, Any] = {
            "transaction_id": [f"t{i:06d}" for i in range(rows)],
            "event_time": [
                FIRST + timedelta(days=int(d), seconds=i % 86_400) for i, d in enumerate(self.days)
            ],
            "user_id": [f"u{card}" for card in self.cards],
            "segment": pl.Series(
                [None] * rows if self.segments is None else self.segments.tolist(), dtype=pl.String
            ),
            "amount_minor": pl.Series(np.rint(self.amounts * 100).astype(np.int64)),
            "is_fraud": self.labels,
        }
        given = {"amount": self.amounts, **self.features}
        for feature in FEATURES:
            value = given.get(feature.name, np.full(rows, feature.default))
            columns[feature.name] = pl.Series(value.astype(np.float32), nan_to_null=True)
        return pl.DataFrame(columns)


def signature_of(names: Sequence[str]) -> Signature:
    """Return the signature of a model that reads these features in this order."""
    defaults = {feature.name: feature.default for feature in FEATURES}
    return Signature(
        feature_set_digest=feature_set_digest(),
        inputs=tuple(InputColumn(name=name, default=defaults[name]) for name in names),
    )


def leave_candidate(
    store: ObjectStore,
    graph: bytes,
    rows: JudgedRows,
    *,
    model: str,
    run_id: str | None = None,
    tracked_model: str = "m-none",
    names: Sequence[str] = FEATURE_NAMES,
) -> Candidate:
    """Write a candidate whose validation rows are its test rows.

    Args:
        store: gets its files.
        graph: over the feature set.
        rows: on which it will be judged.
        model: name of the model.
        run_id: run in the tracking server; None makes one up.
        tracked_model: identifier of the model there.
        names: of the features that the graph reads, in its order.
    """
    signature = signature_of(names)
    frame = rows.frame()
    read = [FEATURE_NAMES.index(name) for name in names]
    features = vector(vector_from_frame(frame, FEATURE_NAMES))[:, read]
    scored = frame.with_columns(score=OnnxScorer(graph, signature).score(features))
    counts = {"rows": len(frame), "frauds": int(rows.labels.sum())}
    lineage = {
        "data": {
            "periods": {name: each.model_dump(mode="json") for name, each in _PERIODS.items()},
            "rows": dict.fromkeys(_PERIODS, counts),
            "split": "time",
            "labels_as_of": "2024-04-03",
            "test_labels_as_of": "2024-04-19",
        },
        "code_revision": "none",
        "lock_sha256": "none",
        "environment": {"python": "none", "platform": "none"},
        "parameters": {},
        "feature_set_digest": feature_set_digest(),
    }
    return write_candidate(
        store,
        Candidate(
            run_id=run_id or secrets.token_hex(16),
            tracked_model=tracked_model,
            model=model,
            algorithm="tiny",
            split="time",
            validation_average_precision=0.5,
            files={},
            **_PERIODS,
        ),
        {
            "model.onnx": graph,
            "signature.json": canonical_json(signature.model_dump(mode="json")),
            "lineage.json": canonical_json(lineage),
            "validation.parquet": _parquet(scored.drop(f.name for f in FEATURES)),
            "test.parquet": _parquet(scored),
        },
    )


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()
