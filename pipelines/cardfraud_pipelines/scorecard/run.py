"""Run the handbook's protocol for one test period: the book's models, then ours."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.card_precision import card_precision
from cardfraud.evaluation.classification import auc_roc, average_precision
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.models.parity import require_parity
from cardfraud_pipelines.scorecard import book
from cardfraud_pipelines.scorecard.book_features import book_features
from cardfraud_pipelines.scorecard.book_models import book_models, fit_and_score
from cardfraud_pipelines.scorecard.configuration import CONFIGURATION, Configuration
from cardfraud_pipelines.scorecard.dataset import Dataset, read_dataset
from cardfraud_pipelines.scorecard.own_features import own_features
from cardfraud_pipelines.scorecard.own_model import Fitted, fit_own
from cardfraud_pipelines.scorecard.protocol import Week, test_rows, training_rows
from cardfraud_pipelines.scorecard.result import Figures, ModelRow, ScorecardResult

CARDS_PER_DAY = 100
Progress = Callable[[str], None]


def run_scorecard(
    data_dir: Path,
    test_start: date,
    test_days: int = 7,
    *,
    seeds: tuple[int, ...] = (42, 43, 44),
    configuration: Configuration = CONFIGURATION,
    progress: Progress = lambda _: None,
) -> ScorecardResult:
    """Measure the book's models and ours on ``test_days`` days from ``test_start``.

    Args:
        data_dir: folder with one ``YYYY-MM-DD.parquet`` a day in the handbook's schema.
        test_start: first test day; two weeks of data must lie before it.
        test_days: number of test days.
        seeds: seeds of our model, each reported.
        configuration: our model; the committed one unless a search asks for another.
        progress: called with a sentence before each part of the work.

    Raises:
        InvalidFrame: files, columns or days are missing, or a period holds no fraud.
        InvalidSetting: ``test_days`` is below 1, or ``seeds`` is empty.
    """
    if not seeds:
        raise InvalidSetting("seeds", "at least one is needed")
    week = Week(test_start, test_days)
    progress("reading transactions")
    data = read_dataset(data_dir, end=week.end)
    tested = test_rows(data, week)
    rows = _book_rows(data, week, tested, progress)
    progress("computing our features")
    matrix = own_features(data)
    fitted = {}
    for seed in seeds:
        progress(f"fitting our model, seed {seed}")
        fitted[seed] = fit_own(data, matrix, week, configuration, seed)
    ours = _own_row(data, tested, matrix[tested], configuration, fitted)
    return ScorecardResult(
        test_start=test_start,
        test_days=test_days,
        test_rows=int(tested.sum()),
        test_frauds=int(data.fraud[tested].sum()),
        card_precision_ceiling=_ceiling(data, tested),
        configuration_digest=configuration.digest,
        source_of_published=book.SOURCE,
        models=(*rows, ours),
    )


def figures(data: Dataset, tested: NDArray[np.bool_], scores: NDArray[np.floating]) -> Figures:
    """Return the figures of ``scores``, one for each of the ``tested`` rows."""
    labels = data.fraud[tested]
    cards = card_precision(data.day[tested], data.customer[tested], labels, scores, k=CARDS_PER_DAY)
    # Both are defined: the protocol refuses test rows without fraud, and 100 cards a day are few.
    return Figures(
        auc_roc=auc_roc(labels, scores) or 0.0,
        average_precision=average_precision(labels, scores) or 0.0,
        card_precision=cards.mean,
        share_of_ceiling=cards.share_of_ceiling or 0.0,
    )


def _ceiling(data: Dataset, tested: NDArray[np.bool_]) -> float:
    labels = data.fraud[tested]
    perfect = labels.astype(np.float64)
    return card_precision(
        data.day[tested], data.customer[tested], labels, perfect, k=CARDS_PER_DAY
    ).ceiling


def _book_rows(
    data: Dataset, week: Week, tested: NDArray[np.bool_], progress: Progress
) -> list[ModelRow]:
    progress("computing the book's features")
    matrix = book_features(data)
    trained = training_rows(data, week)
    same_week = (week.start, week.days) == (book.TEST_START, book.TEST_DAYS)
    rows = []
    for name, model in book_models().items():
        progress(f"fitting {name.lower()} in the book's set-up")
        scores = fit_and_score(model, matrix[trained], data.fraud[trained], matrix[tested])
        found = figures(data, tested, scores)
        published = book.FIGURES[name] if same_week else None
        rows.append(
            ModelRow(
                name=name,
                set_up="book",
                train_rows=int(trained.sum()),
                train_frauds=int(data.fraud[trained].sum()),
                features=matrix.shape[1],
                figures=found,
                runs={0: found},
                published=published,
                difference=_difference(found, published) if published else None,
            )
        )
    return rows


def _own_row(
    data: Dataset,
    tested: NDArray[np.bool_],
    matrix: NDArray[np.float32],
    configuration: Configuration,
    fitted: dict[int, Fitted],
) -> ModelRow:
    runs: dict[int, Figures] = {}
    parity = 0.0
    for seed, fit in fitted.items():
        parity = max(parity, require_parity(fit.model, fit.model.to_onnx(FEATURE_NAMES), matrix))
        runs[seed] = figures(data, tested, fit.model.predict_probability(matrix))
    any_fit = next(iter(fitted.values()))
    return ModelRow(
        name=configuration.estimator.replace("_", " ").capitalize(),
        set_up="ours",
        train_rows=any_fit.train_rows,
        train_frauds=any_fit.train_frauds,
        features=matrix.shape[1],
        figures=_mean(list(runs.values())),
        runs=runs,
        parameters=configuration.model_dump(mode="json"),
        onnx_parity=parity,
    )


def _difference(found: Figures, published: book.BookFigures) -> float:
    return max(
        abs(found.auc_roc - published.auc_roc),
        abs(found.average_precision - published.average_precision),
        abs(found.card_precision - published.card_precision),
    )


def _mean(runs: list[Figures]) -> Figures:
    names = Figures.model_fields
    return Figures(**{n: float(np.mean([getattr(run, n) for run in runs])) for n in names})
