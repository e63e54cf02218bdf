"""Rows on which a policy is tried: those its thresholds were chosen on, and days replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cardfraud.adapters.bundles import Bundle
from cardfraud.adapters.candidates import (
    CANDIDATES,
    read_candidate,
    read_candidate_file,
    read_days,
)
from cardfraud.adapters.object_store import ObjectStore, decode_frame
from cardfraud.contracts import keys
from cardfraud.contracts.bundle import LINEAGE_FILE, MODEL_FILE, SIGNATURE_FILE
from cardfraud.contracts.candidate import CANDIDATE_FILE, VALIDATION_FILE, Candidate, Period
from cardfraud.contracts.transactions import MINOR_UNITS
from cardfraud.errors import InvalidFrame, NotFound
from cardfraud.evaluation.maturity import matured_rows
from cardfraud.evaluation.rules import ScoredRows
from cardfraud.features.batch import request_columns, vector_from_frame
from cardfraud.features.definitions import STORED_VIEWS
from cardfraud.features.values import on_demand_values, vector
from cardfraud.scoring.assembly import positions
from cardfraud.scoring.session import OnnxScorer

Values = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """Days scored again.

    Attributes:
        rows: transactions whose label has settled, with values as they were known just before.
        immature: transactions too young to have a label that can be relied on.
        unknown: transactions for which the offline store has no values.
    """

    rows: ScoredRows
    immature: int
    unknown: int


def candidate_of(store: ObjectStore, bundle: Bundle) -> Candidate:
    """Return the candidate that a bundle was published from.

    Raises:
        NotFound: there is none any more.
    """
    trained = (MODEL_FILE, SIGNATURE_FILE, LINEAGE_FILE)
    wanted = {file: bundle.manifest.files[file].sha256 for file in trained}
    for key in store.keys(f"{CANDIDATES}/"):
        folder, _, file = key.rpartition("/")
        if file != CANDIDATE_FILE:
            continue
        candidate = read_candidate(store, folder.removeprefix(f"{CANDIDATES}/"))
        if wanted.items() <= candidate.files.items():
            return candidate
    raise NotFound("candidate of bundle", bundle.digest, hint="its files were deleted")


def validation_rows(store: ObjectStore, candidate: Candidate) -> ScoredRows:
    """Return the rows from which a candidate's thresholds are chosen; they carry no values.

    Raises:
        IntegrityError: the file is not the one that training wrote.
    """
    content = read_candidate_file(store, candidate, VALIDATION_FILE)
    frame = decode_frame(content, VALIDATION_FILE)
    return _scored(frame, frame["score"].to_numpy(), {})


def replayed(store: ObjectStore, bundle: Bundle, period: Period, *, as_of: datetime) -> Replayed:
    """Score the transactions of some days again, each with what was known just before it.

    Values come from the offline store, where a missing one is missing: a rule does not fire on it,
    which the model's vector, with its defaults, could not tell.

    Args:
        store: holds validated transactions, labels and feature values.
        bundle: whose model scores.
        period: whole UTC days.
        as_of: labels reported until then count.

    Raises:
        InvalidFrame: there are no transactions, or no values, or none whose label has settled.
    """
    transactions = _table(store, keys.VALIDATED_TRANSACTIONS, period, "run the validate step first")
    labels = _table(store, keys.RAW_LABELS, period, "there are no labels at all for these days")
    matured = matured_rows(transactions, labels, as_of=as_of)
    joined = matured.frame
    for view in STORED_VIEWS:
        folder = keys.values_folder(view.name)
        values = _table(store, folder, period, "run the featurize step for these days first")
        columns = ("transaction_id", *(feature.name for feature in view.features))
        joined = joined.join(
            values.select(columns), on="transaction_id", how="inner", maintain_order="left"
        )
    if not len(joined):
        reason = f"no transaction of {period.start} to {period.end} has values and a settled label"
        raise InvalidFrame("transactions", reason, hint="take earlier days, or a later --as-of")
    names = [feature.name for view in STORED_VIEWS for feature in view.features]
    stored = vector_from_frame(joined, names)
    everything = stored | on_demand_values(stored, *request_columns(joined))
    rows = _scored(joined, _probabilities(bundle, vector(everything)), everything)
    return Replayed(rows, matured.immature, len(matured.frame) - len(joined))


def _probabilities(bundle: Bundle, whole: NDArray[np.float32]) -> NDArray[np.float32]:
    read = positions([column.name for column in bundle.signature.inputs])
    features = whole if read is None else np.ascontiguousarray(whole[:, read])
    return OnnxScorer(bundle.model, bundle.signature).score(features)


def _scored(frame: pl.DataFrame, scores: NDArray[np.float32], values: Values) -> ScoredRows:
    return ScoredRows(
        labels=frame["is_fraud"].to_numpy().astype(np.bool_),
        scores=scores.astype(np.float64),
        amounts=frame["amount_minor"].to_numpy() / MINOR_UNITS,
        days=frame["event_time"].dt.epoch("d").to_numpy(),
        cards=frame["user_id"].to_numpy().astype(np.str_),
        values=values,
    )


def _table(store: ObjectStore, folder: str, period: Period, hint: str) -> pl.DataFrame:
    frames, _ = read_days(store, folder, period)
    if not frames:
        raise InvalidFrame(folder, f"nothing for {period.start} to {period.end}", hint=hint)
    table = pl.concat(frames)
    return table.sort("event_time", "transaction_id") if "event_time" in table.columns else table
