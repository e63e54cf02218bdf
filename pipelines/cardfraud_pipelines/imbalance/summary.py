"""From single runs to one row for each estimator and treatment."""

from collections.abc import Iterable, Sequence

import numpy as np

from cardfraud_pipelines.imbalance.result import Probabilities, Run, Spread, Summary
from cardfraud_pipelines.imbalance.treatments import NONE


def summarise(runs: Sequence[Run]) -> tuple[Summary, ...]:
    """Return the summaries, in the order in which estimators and treatments first occur.

    Gains are paired: a run is compared with the untreated one of its estimator, week and seed.
    """
    untreated = {
        (run.estimator, run.week, run.seed): run.average_precision
        for run in runs
        if run.treatment == NONE
    }
    kinds = dict.fromkeys((run.estimator, run.treatment) for run in runs)
    summaries = []
    for estimator, treatment in kinds:
        group = [run for run in runs if (run.estimator, run.treatment) == (estimator, treatment)]
        gained = [
            run.average_precision - untreated[run.estimator, run.week, run.seed] for run in group
        ]
        summaries.append(
            Summary(
                estimator=estimator,
                treatment=treatment,
                fit_seconds=float(np.mean([run.fit_seconds for run in group])),
                average_precision=_spread(run.average_precision for run in group),
                auc_roc=_spread(run.auc_roc for run in group),
                share_of_ceiling=_spread(run.share_of_ceiling for run in group),
                gained=_spread(gained),
                probabilities={
                    stage: _mean([run.probabilities[stage] for run in group])
                    for stage in group[0].probabilities
                },
            )
        )
    return tuple(summaries)


def _spread(values: Iterable[float]) -> Spread:
    numbers = list(values)
    return Spread(mean=float(np.mean(numbers)), low=min(numbers), high=max(numbers))


def _mean(parts: Sequence[Probabilities]) -> Probabilities:
    names = Probabilities.model_fields
    return Probabilities(**{n: float(np.mean([getattr(part, n) for part in parts])) for n in names})
