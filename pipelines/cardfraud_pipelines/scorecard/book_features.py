"""The handbook's 15 features, as its chapter 3 computes them, in NumPy.

Customer windows hold the transactions of the last 1, 7 and 30 days up to and including the
transaction itself. Terminal windows of the same lengths end seven days before it, because labels
take that long to arrive. A window of ``w`` days at time ``t`` is ``(t - w, t]``; of several
transactions in the same second, those later in the order do not count.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud_pipelines.scorecard.dataset import SECONDS_PER_DAY, Dataset

WINDOWS: Final = (1, 7, 30)
DELAY: Final = 7
LAST_NIGHT_HOUR: Final = 6
FIRST_WEEKEND_DAY: Final = 5

NAMES: Final = (
    "TX_AMOUNT",
    "TX_DURING_WEEKEND",
    "TX_DURING_NIGHT",
    *(f"CUSTOMER_ID_{what}_{w}DAY_WINDOW" for w in WINDOWS for what in ("NB_TX", "AVG_AMOUNT")),
    *(f"TERMINAL_ID_{what}_{w}DAY_WINDOW" for w in WINDOWS for what in ("NB_TX", "RISK")),
)


def book_features(data: Dataset) -> NDArray[np.float64]:
    """Return the 15 features in the order of ``NAMES``, ``[N, 15]``."""
    # 1970-01-01 was a Thursday, day 3 of a week that starts on Monday.
    weekday = (data.day + 3) % 7
    hour = data.second % SECONDS_PER_DAY // 3600
    columns = [data.amount, weekday >= FIRST_WEEKEND_DAY, hour <= LAST_NIGHT_HOUR]
    by_customer = _Rolling(data.customer, data.second)
    for window in WINDOWS:
        count = by_customer.count(window)
        columns += [count, by_customer.total(data.amount, window) / count]
    by_terminal = _Rolling(data.terminal, data.second)
    recent_count = by_terminal.count(DELAY)
    recent_fraud = by_terminal.total(data.fraud, DELAY)
    for window in WINDOWS:
        count = by_terminal.count(DELAY + window) - recent_count
        fraud = by_terminal.total(data.fraud, DELAY + window) - recent_fraud
        columns += [count, np.divide(fraud, count, out=np.zeros(len(data)), where=count > 0)]
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])


class _Rolling:
    """Sums over the trailing time windows of each entity's own transactions."""

    def __init__(self, entity: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        self._order = np.argsort(entity, kind="stable")
        since = second[self._order] - second.min()
        # Entities are laid out one after the other on one axis of time, further apart than the
        # longest window, so that one sorted search serves all of them.
        reach = (max(WINDOWS) + DELAY) * SECONDS_PER_DAY
        self._key = entity[self._order] * (int(since.max()) + reach + 1) + since
        self._starts: dict[int, NDArray[np.intp]] = {}

    def count(self, days: int) -> NDArray[np.float64]:
        """Number of transactions in the window, the current one included, ``[N]``."""
        start = self._start(days)
        return self._restore(np.arange(1, len(start) + 1) - start)

    def total(self, values: NDArray[np.generic], days: int) -> NDArray[np.float64]:
        """Sum of ``values`` over the window, the current transaction included, ``[N]``."""
        running = np.concatenate([[0.0], np.cumsum(values[self._order], dtype=np.float64)])
        return self._restore(running[1:] - running[self._start(days)])

    def _start(self, days: int) -> NDArray[np.intp]:
        if days not in self._starts:
            oldest = self._key - days * SECONDS_PER_DAY
            self._starts[days] = np.searchsorted(self._key, oldest, side="right")
        return self._starts[days]

    def _restore(self, ordered: NDArray[np.generic]) -> NDArray[np.float64]:
        result = np.empty(len(ordered))
        result[self._order] = ordered
        return result
