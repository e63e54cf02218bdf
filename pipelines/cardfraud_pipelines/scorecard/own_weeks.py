"""Our model on test weeks: fitted for each on what was known when it began, then scored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import InvalidSetting
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.models.parity import require_parity
from cardfraud_pipelines.scorecard.configuration import SELECTED_ON, Configuration
from cardfraud_pipelines.scorecard.dataset import Dataset
from cardfraud_pipelines.scorecard.figures import ceiling, figures, mean
from cardfraud_pipelines.scorecard.own_model import fit_own
from cardfraud_pipelines.scorecard.protocol import Week, test_rows
from cardfraud_pipelines.scorecard.result import ModelRow, WeekRow

WEEK_DAYS = 7


def own_row(
    data: Dataset,
    matrix: NDArray[np.float32],
    week: Week,
    *,
    configuration: Configuration,
    seeds: tuple[int, ...],
    progress: Callable[[str], None],
) -> ModelRow:
    """Fit our model for one test period with each seed and score it.

    Args:
        data: ``N`` transactions; what lies after the test period changes nothing.
        matrix: the model's input, ``[N, F]``.
        week: the test period.
        configuration: our model.
        seeds: one fit each.
        progress: called with a sentence before each fit.
    """
    tested = test_rows(data, week)
    runs, parity = {}, 0.0
    for seed in seeds:
        progress(f"fitting our model for {week.start}, seed {seed}")
        fitted = fit_own(data, matrix, week, configuration, seed)
        graph = fitted.model.to_onnx(FEATURE_NAMES)
        parity = max(parity, require_parity(fitted.model, graph, matrix[tested]))
        runs[seed] = figures(data, tested, fitted.model.predict_probability(matrix[tested]))
    return ModelRow(
        name=configuration.estimator.replace("_", " ").capitalize(),
        set_up="ours",
        train_rows=fitted.train_rows,
        train_frauds=fitted.train_frauds,
        features=matrix.shape[1],
        figures=mean(list(runs.values())),
        runs=runs,
        parameters=configuration.model_dump(mode="json"),
        onnx_parity=parity,
    )


def weeks_before(week: Week, count: int) -> list[Week]:
    """Return the test weeks that start 7, 14, ... days before ``week``, oldest first.

    Raises:
        InvalidSetting: ``count`` is below 0, or there are some and ``week`` is no week.
    """
    if count < 0 or (count and week.days != WEEK_DAYS):
        raise InvalidSetting("earlier-weeks", f"{count} weeks before a period of {week.days} days")
    return [
        Week(week.start - timedelta(days=WEEK_DAYS * back), WEEK_DAYS)
        for back in range(count, 0, -1)
    ]


def week_row(data: Dataset, week: Week, row: ModelRow) -> WeekRow:
    """Put our figures of one test week beside what the week holds."""
    tested = test_rows(data, week)
    return WeekRow(
        test_start=week.start,
        selected_on=week.start <= SELECTED_ON[1] and week.end > SELECTED_ON[0],
        test_rows=int(tested.sum()),
        test_frauds=int(data.fraud[tested].sum()),
        card_precision_ceiling=ceiling(data, tested),
        figures=row.figures,
        runs=row.runs,
    )
