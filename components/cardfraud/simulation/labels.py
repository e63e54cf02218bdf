"""When the truth about a day's transactions becomes known, and the mistakes made before."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cardfraud.simulation.population import Int
from cardfraud.simulation.settings import LateLabels

DAY_US: Final = 86_400_000_000
_MINUTE_US: Final = 60_000_000


def labels_of_day(
    rules: LateLabels,
    random: np.random.Generator,
    transaction_id: pl.Series,
    time_us: Int,
    fraud: NDArray[np.bool_],
) -> pl.DataFrame:
    """Draw the labels of ``N`` transactions.

    Args:
        rules: their distributions.
        random: the stream of this concern and day.
        transaction_id: ``[N]`` identifiers.
        time_us: ``[N]`` event times, microseconds since 1970 UTC.
        fraud: ``[N]`` the truth.

    Returns:
        The canonical columns, sorted by (transaction_id, revision): revision 0 of every
        transaction, and revision 1 where revision 0 was wrong.
    """
    count = len(time_us)
    days = rules.median_days * np.exp(random.normal(0.0, rules.spread, count))
    chance = random.random(count)
    first = time_us + _whole_minutes(np.minimum(days, rules.longest_days))
    wrong = chance < np.where(fraud, rules.missed_share, rules.false_alarm_share)
    # A correction comes half to one and a half times its mean time after the wrong label.
    corrected = first + _whole_minutes(rules.correction_days * random.uniform(0.5, 1.5, count))
    return pl.concat(
        [
            _frame(transaction_id, fraud ^ wrong, first, 0),
            _frame(transaction_id.filter(pl.Series(wrong)), fraud[wrong], corrected[wrong], 1),
        ]
    ).sort("transaction_id", "revision")


def _whole_minutes(days: NDArray[np.float64]) -> Int:
    return np.maximum(np.rint(days * DAY_US / _MINUTE_US), 1).astype(np.int64) * _MINUTE_US


def _frame(
    transaction_id: pl.Series, fraud: NDArray[np.bool_], reported_us: Int, revision: int
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": transaction_id,
            "is_fraud": pl.Series(fraud, dtype=pl.Boolean),
            "reported_at": pl.Series(reported_us).cast(pl.Datetime("us", "UTC")),
            "revision": pl.Series(np.full(len(fraud), revision, dtype=np.int32)),
        }
    )
