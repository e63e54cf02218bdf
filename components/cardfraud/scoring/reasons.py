"""Contributions in an analyst's words, with the numbers that an analyst would look up."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.features.concepts import Concept
from cardfraud.features.definitions import CALENDAR_ZONE
from cardfraud.scoring.contributions import Explainer

Values = Mapping[str, float]

MAX_SENTENCES: Final = 3
MAX_LENGTH: Final = 200
LEAST: Final = 0.1
"""A contribution of less than this in log-odds, ten percent on the odds, is no reason."""

_LONGEST_FIRST: Final = ("30d", "7d", "1d")
_SHORTEST_FIRST: Final = ("1d", "7d", "30d")
_IN_DAYS: Final = {"1d": "1 day", "7d": "7 days", "30d": "30 days"}
_WEEKDAYS: Final = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
_MEANS: Final = (
    ("amount_over_avg_30d", "user_avg_amount_30d", "30 days"),
    ("amount_over_avg", "avg_amount", "90 days"),
    ("amount_over_avg_7d", "user_avg_amount_7d", "7 days"),
    ("amount_over_avg_1d", "user_avg_amount_1d", "1 day"),
)


def explain(asked: Explainer, probabilities: ArrayLike, values: Values) -> tuple[str, ...]:
    """Return the sentences for one transaction.

    Args:
        asked: what the model was asked.
        probabilities: [2**G] its answers to ``asked.coalitions``.
        values: the transaction's feature values by name, NaN where there is none.
    """
    return sentences(asked.concepts, asked.contributions(probabilities), values)


def sentences(
    concepts: Sequence[Concept], contributions: NDArray[np.float64], values: Values
) -> tuple[str, ...]:
    """Say what spoke most for fraud, the largest contribution first.

    Args:
        concepts: G concepts.
        contributions: [G] in log-odds; what spoke against fraud is no reason.
        values: feature values by name, NaN where there is none.

    Returns:
        At most :data:`MAX_SENTENCES` of at most :data:`MAX_LENGTH` characters each.
    """
    order = np.argsort(-contributions, kind="stable")[:MAX_SENTENCES]
    return tuple(
        _WORDS[concepts[place]](values)[:MAX_LENGTH]
        for place in order
        if contributions[place] >= LEAST
    )


def _known(values: Values, name: str) -> float | None:
    value = values.get(name, math.nan)
    return None if math.isnan(value) else value


def _counted(number: float, what: str) -> str:
    return f"{number:.0f} {what}{'' if number == 1 else 's'}"


def _amount(values: Values) -> str:
    amount = values["amount"]
    for ratio_name, mean_name, window in _MEANS:
        ratio, mean = _known(values, ratio_name), _known(values, mean_name)
        if ratio is not None and mean is not None:
            compared = f"({amount:.2f} against {mean:.2f})"
            return f"amount: {ratio:.1f} times the user's mean of {window} {compared}"
    return f"amount: {amount:.2f}, and no earlier amount of the user is known"


def _merchant_frauds(values: Values) -> str:
    """Take the window with the most known frauds, the shortest of equals.

    Without any, what speaks for fraud is how long no transaction was known as honest: a merchant
    whose terminal was stolen a few days ago looks like this.
    """
    honest = _known(values, "merchant_days_since_nonfraud")
    most, said = 0, "merchant: no transaction of it is known in the last 30 days"
    if honest is not None:
        said = f"merchant: its last transaction known as honest is {_counted(honest, 'day')} old"
    for window in _SHORTEST_FIRST:
        count = _known(values, f"merchant_count_{window}") or 0.0
        share = _known(values, f"merchant_fraud_share_{window}") or 0.0
        frauds = round(share * count)
        if frauds > most:
            most = frauds
            seen = _counted(count, "transaction")
            said = f"merchant: {frauds} of its {seen} were fraud in the last {_IN_DAYS[window]} "
            said += "whose labels are known"
    streak = _known(values, "merchant_fraud_streak") or 0.0
    return f"{said}, the latest {streak:.0f} without exception" if streak > 1 else said


def _merchant_activity(values: Values) -> str:
    for window in _LONGEST_FIRST:
        count = _known(values, f"merchant_count_{window}")
        if count:
            seen = _counted(count, "transaction")
            return f"merchant: {seen} in the last {_IN_DAYS[window]} whose labels are known"
    return "merchant: no transaction in the last 30 days whose labels are known"


def _last_minutes(values: Values) -> str:
    for minutes in (5, 10):
        count = _known(values, f"transactions_last_{minutes}min")
        if count:
            spent = _known(values, f"total_spent_last_{minutes}min") or 0.0
            seen = _counted(count, "further transaction")
            return f"user: {seen} in the last {minutes} minutes, {spent:.2f} in all"
    return "user: no further transaction in the last 10 minutes"


def _spending(values: Values) -> str:
    mean, largest = _known(values, "avg_amount"), _known(values, "max_amount")
    if mean is None or largest is None:
        return "user: no earlier amount is known"
    recent = _known(values, "user_avg_amount_7d")
    lately = "" if recent is None else f", {recent:.2f} in 7 days"
    return f"user: spends {mean:.2f} on average in 90 days{lately}, at most {largest:.2f}"


def _pace(values: Values) -> str:
    total = _known(values, "total_transactions")
    if not total:
        return "user: no earlier transaction is known"
    day = _known(values, "user_count_1d") or 0.0
    said = f"user: {_counted(day, 'transaction')} in 1 day, {total:.0f} in 90 days"
    last = _known(values, "days_since_last")
    return said if last is None else f"{said}, the last {_ago(last)} ago"


def _ago(days: float) -> str:
    if days >= 2:
        return f"{days:.0f} days"
    hours = days * 24
    return f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"


def _time(values: Values) -> str:
    day = _WEEKDAYS[int(values["day_of_week"])]
    night = ", at night" if values["is_night"] else ""
    return f"time: {day}, hour {values['hour_of_day']:.0f} {CALENDAR_ZONE}{night}"


_WORDS: Final[Mapping[Concept, Callable[[Values], str]]] = {
    Concept.AMOUNT: _amount,
    Concept.MERCHANT_FRAUDS: _merchant_frauds,
    Concept.MERCHANT_ACTIVITY: _merchant_activity,
    Concept.LAST_MINUTES: _last_minutes,
    Concept.USER_SPENDING: _spending,
    Concept.USER_PACE: _pace,
    Concept.TIME: _time,
}
