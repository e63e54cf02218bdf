"""The model and the policy that are measured: fitted on what was known, thresholds chosen after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cardfraud.contracts.bundle import InputColumn, Signature
from cardfraud.contracts.labels import LABEL_DELAY
from cardfraud.contracts.policy import CostMatrix, Policy, Rule, Thresholds
from cardfraud.contracts.transactions import MINOR_UNITS
from cardfraud.errors import InvalidFrame
from cardfraud.evaluation.operating_point import choose_thresholds
from cardfraud.features.batch import all_values
from cardfraud.features.definitions import FEATURE_NAMES, FEATURES, feature_set_digest
from cardfraud.features.values import vector
from cardfraud.models.training import fit
from cardfraud.scoring.session import OnnxScorer
from cardfraud_pipelines.ladder.measure import Progress, Subject
from cardfraud_pipelines.scorecard.configuration import Configuration

ALERT_BUDGET: Final = 100
_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Periods:
    """What is fitted on and chosen on before the first measured day ``start``."""

    start: date

    @property
    def validation_end(self) -> date:
        """The day after the validation week; its labels are known at ``start``."""
        return self.start - LABEL_DELAY

    @property
    def validation_start(self) -> date:
        """First day of the validation week."""
        return self.validation_end - _WEEK

    @property
    def train_end(self) -> date:
        """The day after the last day of training; its labels are known when validation starts."""
        return self.validation_start - LABEL_DELAY


@dataclass(frozen=True, slots=True)
class Tables:
    """Transactions in order of time, their labels, and whether each was a known fraud, [N].

    ``fraud`` is what was reported when the first measured day began; ``labels`` are all revisions.
    """

    transactions: pl.DataFrame
    labels: pl.DataFrame
    fraud: NDArray[np.bool_]

    def within(self, start: date, end: date) -> NDArray[np.bool_]:
        """Rows of the days from ``start`` to before ``end``, [N]."""
        day = self.transactions["event_time"].dt.date()
        return ((day >= start) & (day < end)).to_numpy()


def fit_subject(
    tables: Tables,
    periods: Periods,
    described: str,
    configuration: Configuration,
    rules: Sequence[Rule],
    *,
    seed: int,
    progress: Progress,
) -> Subject:
    """Fit the model, calibrate it and choose the thresholds on the validation week.

    Args:
        tables: the training days, the validation week, and what their features need.
        periods: which days these are.
        described: where the transactions come from, in words.
        configuration: the model.
        rules: beside the model.
        seed: of the model.
        progress: called with a sentence before each part of the work.

    Raises:
        InvalidFrame: a period holds no fraud.
    """
    progress("computing features")
    matrix = vector(all_values(tables.transactions, tables.labels))
    train = _training_rows(tables, periods, configuration)
    validation = tables.within(periods.validation_start, periods.validation_end)
    for name, rows in (("training", train), ("validation", validation)):
        if not tables.fraud[rows].any():
            raise InvalidFrame(name, f"no fraud in {int(rows.sum())} rows")
    progress(f"fitting {configuration.estimator} on {int(train.sum()):,} rows")
    model = fit(
        configuration.estimator,
        matrix[train],
        tables.fraud[train],
        params=configuration.parameters,
        names=FEATURE_NAMES,
        seed=seed,
        validation=(matrix[validation], tables.fraud[validation]),
        threads=configuration.threads,
    )
    scorer = OnnxScorer(model.to_onnx(FEATURE_NAMES), _signature())
    thresholds = _thresholds(tables, validation, scorer.score(matrix[validation]))
    policy = Policy(thresholds=thresholds, alert_budget_per_day=ALERT_BUDGET, rules=tuple(rules))
    return Subject(described, configuration.estimator, scorer, policy)


def _training_rows(
    tables: Tables, periods: Periods, configuration: Configuration
) -> NDArray[np.bool_]:
    """All days whose windows reach back to days with data; with little data the last week."""
    first: date = tables.transactions["event_time"].dt.date()[0]
    oldest = min(first + configuration.warm_up_days * _DAY, periods.train_end - _WEEK)
    if configuration.history_days is not None:
        oldest = max(oldest, periods.train_end - configuration.history_days * _DAY)
    return tables.within(oldest, periods.train_end)


def _thresholds(tables: Tables, rows: NDArray[np.bool_], scores: NDArray[np.float32]) -> Thresholds:
    chosen = tables.transactions.filter(rows)
    return choose_thresholds(
        tables.fraud[rows],
        scores,
        chosen["amount_minor"].to_numpy() / MINOR_UNITS,
        days=chosen["event_time"].dt.epoch("d").to_numpy(),
        cards=chosen["user_id"].to_numpy(),
        costs=CostMatrix(),
        alert_budget_per_day=ALERT_BUDGET,
    )


def _signature() -> Signature:
    return Signature(
        feature_set_digest=feature_set_digest(),
        inputs=tuple(InputColumn(name=f.name, default=f.default) for f in FEATURES),
    )
