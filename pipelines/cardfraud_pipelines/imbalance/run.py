"""Fit every estimator with every treatment on the weeks of the handbook's protocol.

For a test week: fitted on all rows before the calibration week, calibrated on the last week whose
labels are known when testing starts, judged on the test week without compromised cards. Only the
rows to fit on are treated; the others stay as they were.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.calibration import brier_score, expected_calibration_error
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.models.calibration import fit_platt, sigmoid
from cardfraud.models.matrix import Float32Matrix
from cardfraud.models.training import fit
from cardfraud_pipelines.imbalance.result import ImbalanceResult, Probabilities, Run, Stage
from cardfraud_pipelines.imbalance.summary import summarise
from cardfraud_pipelines.imbalance.treatments import TREATMENTS
from cardfraud_pipelines.scorecard.dataset import Dataset, read_dataset
from cardfraud_pipelines.scorecard.figures import figures
from cardfraud_pipelines.scorecard.own_features import own_features
from cardfraud_pipelines.scorecard.protocol import Week, rows_with_known_labels, test_rows

WARM_UP_DAYS: Final = 30
CALIBRATION_DAYS: Final = 7
# Defaults but for the forest, each of whose trees draws a tenth of the rows: a tenth of the time.
ESTIMATORS: Final[dict[str, dict[str, Any]]] = {
    "logistic_regression": {},
    "random_forest": {"row_share": 0.1},
    "gradient_boosting": {},
}


@dataclass(frozen=True, slots=True)
class _Part:
    features: Float32Matrix
    labels: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Case:
    data: Dataset
    week: date
    fitted: _Part
    calibration: _Part
    test: _Part
    tested: NDArray[np.bool_]


def compare_treatments(
    data_dir: Path,
    weeks: Sequence[date],
    *,
    test_days: int = 7,
    seeds: tuple[int, ...] = (42,),
    estimators: Mapping[str, dict[str, Any]] = ESTIMATORS,
    progress: Callable[[str], None] = lambda _: None,
) -> ImbalanceResult:
    """Compare all treatments on the test periods that begin on ``weeks``.

    Args:
        data_dir: folder with one ``YYYY-MM-DD.parquet`` a day in the handbook's schema.
        weeks: first day of each test period; three weeks of data must lie before it.
        test_days: days of a test period.
        seeds: seeds of estimators and of what is drawn.
        estimators: parameters by estimator.
        progress: called with a sentence before each fit.

    Raises:
        InvalidFrame: files, columns or days are missing, or a period holds no fraud.
        InvalidSetting: there is no week or no seed, or ``test_days`` is below 1.
    """
    if not weeks or not seeds:
        raise InvalidSetting("weeks" if not weeks else "seeds", "at least one is needed")
    periods = [Week(start, test_days) for start in sorted(set(weeks))]
    progress("reading transactions")
    data = read_dataset(data_dir, end=max(period.end for period in periods))
    progress("computing features")
    matrix = own_features(data)
    cases = [_case(data, matrix, period) for period in periods]
    runs = []
    for case in cases:
        for estimator, parameters in estimators.items():
            for treatment in TREATMENTS:
                progress(f"{case.week}: {estimator.replace('_', ' ')}, {treatment}")
                runs += [_run(case, estimator, parameters, treatment, seed) for seed in seeds]
    return ImbalanceResult(
        weeks=tuple(case.week for case in cases),
        seeds=seeds,
        test_rows={case.week: len(case.test.labels) for case in cases},
        test_frauds={case.week: int(case.test.labels.sum()) for case in cases},
        parameters=dict(estimators),
        summaries=summarise(runs),
        runs=tuple(runs),
    )


def _case(data: Dataset, matrix: Float32Matrix, week: Week) -> _Case:
    day = data.day
    boundary = week.labels_end_day - CALIBRATION_DAYS
    # With little data a week to fit on is kept, whatever the warm-up.
    oldest = min(int(day[0]) + WARM_UP_DAYS, boundary - CALIBRATION_DAYS)
    known = rows_with_known_labels(data, week)
    masks = (known & (day >= oldest) & (day < boundary), known & (day >= boundary))
    tested = test_rows(data, week)
    fitted, calibration, test = (_Part(matrix[mask], data.fraud[mask]) for mask in (*masks, tested))
    return _Case(data, week.start, fitted, calibration, test, tested)


def _run(case: _Case, estimator: str, parameters: dict[str, Any], treatment: str, seed: int) -> Run:
    treated = TREATMENTS[treatment](case.fitted.features, case.fitted.labels, seed)
    started = time.perf_counter()
    model = fit(
        estimator,
        treated.features,
        treated.labels,
        params={**parameters, "positive_weight": treated.weight},
        names=FEATURE_NAMES,
        seed=seed,
    )
    seconds = time.perf_counter() - started
    margin = model.core.margin(case.test.features)
    platt = fit_platt(model.core.margin(case.calibration.features), case.calibration.labels)
    probabilities: dict[Stage, NDArray[np.floating]] = {
        "raw": sigmoid(margin),
        "corrected": sigmoid(margin - np.log(treated.odds)),
        "calibrated": platt.probability(margin),
    }
    found = figures(case.data, case.tested, margin)
    return Run(
        estimator=estimator,
        treatment=treatment,
        week=case.week,
        seed=seed,
        fitted_rows=len(treated.labels),
        fitted_frauds=int(treated.labels.sum()),
        fit_seconds=seconds,
        average_precision=found.average_precision,
        auc_roc=found.auc_roc,
        share_of_ceiling=found.share_of_ceiling,
        probabilities={s: _judge(case.test.labels, p) for s, p in probabilities.items()},
    )


def _judge(labels: NDArray[np.bool_], probability: NDArray[np.floating]) -> Probabilities:
    return Probabilities(
        brier=brier_score(labels, probability),
        calibration_error=expected_calibration_error(labels, probability),
        mean=float(probability.mean(dtype=np.float64)),
    )
