"""The rows of a training run: transactions with settled labels and their feature vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from cardfraud.adapters.candidates import day_keys, describe, read_days
from cardfraud.contracts import keys
from cardfraud.contracts.candidate import DatasetManifest, DatasetObject, Period
from cardfraud.contracts.transactions import TRANSACTION_COLUMNS
from cardfraud.errors import InvalidFrame
from cardfraud.evaluation.maturity import matured_rows
from cardfraud.features.batch import vector_from_frame
from cardfraud.features.definitions import FEATURE_NAMES, STORED_VIEWS
from cardfraud.features.values import Float, gaps, vector

if TYPE_CHECKING:
    import polars as pl

    from cardfraud.adapters.object_store import ObjectStore
    from cardfraud.steps.train.config import TrainConfig

ROW_COLUMNS: Final = (
    "transaction_id",
    "event_time",
    "user_id",
    "segment",
    "amount_minor",
    "is_fraud",
)


class TrainingSets(Protocol):
    """Where feature values come from, point in time."""

    def training_set(self, transactions: pl.DataFrame) -> pl.DataFrame:
        """Return one row for each transaction with the columns of ``FEATURE_NAMES``."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one period.

    Attributes:
        frame: the columns :data:`ROW_COLUMNS`.
        features: float32 ``[N, F]``, the model's input.
        missing: bool ``[N, F]``, true where a default stands for a value that there is not.
        labels: bool ``[N]``, true is fraud.
        immature: rows that were left out because their labels have not settled.
    """

    frame: pl.DataFrame
    features: NDArray[np.float32]
    missing: NDArray[np.bool_]
    labels: NDArray[np.bool_]
    immature: int

    def counts(self) -> dict[str, int]:
        """How many rows there are, and how many of them are frauds."""
        return {
            "rows": len(self.labels),
            "frauds": int(self.labels.sum()),
            "left_out_immature": self.immature,
        }

    def take(self, positions: NDArray[np.intp]) -> Rows:
        """Return some of the rows, in the order of ``positions``."""
        return Rows(
            frame=self.frame[positions],
            features=self.features[positions],
            missing=self.missing[positions],
            labels=self.labels[positions],
            immature=self.immature,
        )


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows to fit on, to choose and calibrate on, and to judge on; and what they came from."""

    train: Rows
    validation: Rows
    test: Rows
    dataset: DatasetManifest


def read_splits(config: TrainConfig, store: ObjectStore, features: TrainingSets) -> Splits:
    """Read and split the rows as the configuration says.

    Raises:
        InvalidFrame: a period holds no settled rows or one class only, or the feature store does
            not give one row for each transaction.
    """
    periods = (config.train, config.validation, config.test)
    whole = Period(start=config.train.start, end=config.test.end)
    objects: list[DatasetObject] = []
    parts = []
    for name, period in zip(("train", "validation", "test"), periods, strict=True):
        moment = config.judged_at if name == "test" else config.trained_at
        rows, read = _read(config, store, features, name, period, as_of=moment)
        parts.append(rows)
        objects += read
    dataset = DatasetManifest(start=whole.start, end=whole.end, objects=tuple(objects))
    if config.split == "leaky_stratified":
        parts = _shuffled(parts, config.seed)
    for name, rows in zip(("train", "validation", "test"), parts, strict=True):
        if not rows.labels.any() or rows.labels.all():
            frauds = int(rows.labels.sum())
            raise InvalidFrame(
                name, f"{frauds} frauds in {len(rows.labels)} rows; need both classes"
            )
    train, validation, test = parts
    return Splits(train, validation, test, dataset)


def _read(
    config: TrainConfig,
    store: ObjectStore,
    features: TrainingSets,
    name: str,
    period: Period,
    *,
    as_of: datetime,
) -> tuple[Rows, list[DatasetObject]]:
    import polars as pl

    frames, objects = read_days(store, keys.VALIDATED_TRANSACTIONS, period)
    if not frames:
        hint = "run ingest and validate for these days"
        raise InvalidFrame(
            name, f"no validated transactions in {period.start} to {period.end}", hint=hint
        )
    transactions = pl.concat(frames).sort("event_time", "transaction_id")
    label_frames, label_objects = read_days(store, keys.RAW_LABELS, period)
    if not label_frames:
        raise InvalidFrame(name, f"no labels at all for {period.start} to {period.end}")
    matured = matured_rows(
        transactions, pl.concat(label_frames), as_of=as_of, maturity=config.maturity
    )
    values = [
        entry
        for view in STORED_VIEWS
        for entry in describe(store, day_keys(store, keys.values_folder(view.name), period))
    ]
    found = _values(features, matured.frame, name)
    rows = Rows(
        frame=matured.frame.select(ROW_COLUMNS),
        features=vector(found),
        missing=gaps(found),
        labels=matured.frame["is_fraud"].to_numpy().astype(np.bool_),
        immature=matured.immature,
    )
    return rows, [*objects, *label_objects, *values]


def _values(features: TrainingSets, rows: pl.DataFrame, name: str) -> dict[str, Float]:
    given = features.training_set(rows.select(TRANSACTION_COLUMNS))
    absent = [column for column in FEATURE_NAMES if column not in given.columns]
    if absent:
        raise InvalidFrame(f"training set of {name}", f"no column {absent[0]!r}")
    if len(given) != len(rows):
        raise InvalidFrame(
            f"training set of {name}", f"{len(rows)} transactions but {len(given)} rows of features"
        )
    if "transaction_id" in given.columns and not given["transaction_id"].equals(
        rows["transaction_id"]
    ):
        raise InvalidFrame(f"training set of {name}", "its rows are not those that were asked for")
    return vector_from_frame(given, FEATURE_NAMES)


def _shuffled(parts: Sequence[Rows], seed: int) -> list[Rows]:
    """Deal the rows of all parts out again at random, each part as large and as fraudulent."""
    import polars as pl

    labels = np.concatenate([part.labels for part in parts])
    pool = Rows(
        frame=pl.concat([part.frame for part in parts]),
        features=np.concatenate([part.features for part in parts]),
        missing=np.concatenate([part.missing for part in parts]),
        labels=labels,
        immature=sum(part.immature for part in parts),
    )
    shares = np.cumsum([len(part.labels) for part in parts])[:-1] / len(labels)
    random = np.random.default_rng(seed)
    dealt: list[list[NDArray[np.intp]]] = [[] for _ in parts]
    for value in (False, True):
        order = random.permutation(np.flatnonzero(labels == value))
        for hand, share in zip(
            dealt, np.split(order, (shares * len(order)).astype(int)), strict=True
        ):
            hand.append(share)
    return [pool.take(np.sort(np.concatenate(hand))) for hand in dealt]
