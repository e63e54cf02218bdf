"""Run the handbook's protocol for one test period: the book's models, then ours."""

from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import InvalidSetting
from cardfraud_pipelines.scorecard import book
from cardfraud_pipelines.scorecard.book_features import book_features
from cardfraud_pipelines.scorecard.book_models import book_models, fit_and_score
from cardfraud_pipelines.scorecard.configuration import (
    CONFIGURATION,
    EARLIER_LOOKS,
    Configuration,
)
from cardfraud_pipelines.scorecard.dataset import Dataset, read_dataset
from cardfraud_pipelines.scorecard.figures import ceiling, figures, mean
from cardfraud_pipelines.scorecard.own_features import own_features
from cardfraud_pipelines.scorecard.own_weeks import own_row, week_row, weeks_before
from cardfraud_pipelines.scorecard.protocol import Week, test_rows, training_rows
from cardfraud_pipelines.scorecard.result import Figures, ModelRow, ScorecardResult

Progress = Callable[[str], None]


def run_scorecard(
    data_dir: Path,
    test_start: date,
    test_days: int = 7,
    *,
    earlier_weeks: int = 0,
    seeds: tuple[int, ...] = (42, 43, 44),
    configuration: Configuration = CONFIGURATION,
    progress: Progress = lambda _: None,
) -> ScorecardResult:
    """Measure the book's models and ours on ``test_days`` days from ``test_start``.

    Args:
        data_dir: folder with one ``YYYY-MM-DD.parquet`` a day in the handbook's schema.
        test_start: first test day; two weeks of data must lie before it.
        test_days: number of test days.
        earlier_weeks: test weeks before this one on which our model is measured too, each fitted
            on what was known when it began.
        seeds: seeds of our model, each reported.
        configuration: our model; the committed one unless a search asks for another.
        progress: called with a sentence before each part of the work.

    Raises:
        InvalidFrame: files, columns or days are missing, or a period holds no fraud.
        InvalidSetting: ``test_days`` is below 1, ``seeds`` is empty, or weeks are asked for before
            a period that is none.
    """
    if not seeds:
        raise InvalidSetting("seeds", "at least one is needed")
    week = Week(test_start, test_days)
    others = weeks_before(week, earlier_weeks)
    progress("reading transactions")
    data = read_dataset(data_dir, end=week.end)
    tested = test_rows(data, week)
    rows = _book_rows(data, week, tested, progress)
    progress("computing our features")
    matrix = own_features(data)
    fit = partial(
        own_row, data, matrix, configuration=configuration, seeds=seeds, progress=progress
    )
    # The table goes on after the earlier weeks, but no value of their rows knows of that.
    fitted = [(each, fit(each)) for each in (*others, week)]
    weeks = tuple(week_row(data, each, row) for each, row in fitted)
    return ScorecardResult(
        test_start=test_start,
        test_days=test_days,
        test_rows=int(tested.sum()),
        test_frauds=int(data.fraud[tested].sum()),
        card_precision_ceiling=ceiling(data, tested),
        configuration_digest=configuration.digest,
        earlier_looks=EARLIER_LOOKS if _is_the_books(week) else None,
        source_of_published=book.SOURCE,
        models=(*rows, fitted[-1][1]),
        weeks=weeks,
        mean_of_weeks=mean([row.figures for row in weeks]),
    )


def _is_the_books(week: Week) -> bool:
    return (week.start, week.days) == (book.TEST_START, book.TEST_DAYS)


def _book_rows(
    data: Dataset, week: Week, tested: NDArray[np.bool_], progress: Progress
) -> list[ModelRow]:
    progress("computing the book's features")
    matrix = book_features(data)
    trained = training_rows(data, week)
    rows = []
    for name, model in book_models().items():
        progress(f"fitting {name.lower()} in the book's set-up")
        scores = fit_and_score(model, matrix[trained], data.fraud[trained], matrix[tested])
        found = figures(data, tested, scores)
        published = book.FIGURES[name] if _is_the_books(week) else None
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


def _difference(found: Figures, published: book.BookFigures) -> float:
    return max(
        abs(found.auc_roc - published.auc_roc),
        abs(found.average_precision - published.average_precision),
        abs(found.card_precision - published.card_precision),
    )
