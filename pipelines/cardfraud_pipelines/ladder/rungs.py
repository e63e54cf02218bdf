"""The rungs: what is gone, and what is left to assemble features from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cardfraud.adapters.feature_store.online import OnlineRow
from cardfraud.contracts.transactions import Transaction
from cardfraud.features.tiles import HOURS_A_DAY
from cardfraud.scoring.assembly import Assembly, assemble, assemble_without_state

STALE_DAYS: Final = 3
"""Days on which the jobs did not run: one more than their state may be used."""

Left = Callable[[Sequence[Transaction], Sequence[OnlineRow]], Assembly]
Loss = Callable[[OnlineRow], OnlineRow]


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung.

    Attributes:
        name: a few words.
        meaning: what is gone, and what answers.
        left: assembles N requests from what is left of their state.
        asks_model: whether the model is asked; rules alone decide where it is not.
    """

    name: str
    meaning: str
    left: Left
    asks_model: bool = True


def _after(loss: Loss) -> Left:
    def left(transactions: Sequence[Transaction], states: Sequence[OnlineRow]) -> Assembly:
        return assemble(transactions, [loss(state) for state in states])

    return left


def _whole(state: OnlineRow) -> OnlineRow:
    return state


def _old_user(state: OnlineRow) -> OnlineRow:
    history = state.history
    if history is None:
        return state
    return replace(
        state, history=replace(history, watermark_day=history.watermark_day - STALE_DAYS)
    )


def _old_merchant(state: OnlineRow) -> OnlineRow:
    merchant = state.merchant
    if merchant is None:
        return state
    earlier = merchant.as_of_hour - STALE_DAYS * HOURS_A_DAY
    return replace(state, merchant=replace(merchant, as_of_hour=earlier))


def _old_both(state: OnlineRow) -> OnlineRow:
    return _old_merchant(_old_user(state))


def _no_stream(state: OnlineRow) -> OnlineRow:
    return replace(state, stream=None)


def _nothing(transactions: Sequence[Transaction], states: Sequence[OnlineRow]) -> Assembly:
    del states
    return assemble_without_state(transactions)


_everything: Final = _after(_whole)

RUNGS: Final = (
    Rung("full", "everything is there", _everything),
    Rung(
        "stream absent",
        "no event since midnight reached the store: the daily state answers, and nobody can tell",
        _after(_no_stream),
    ),
    Rung(
        "user stale",
        f"the users' daily state is {STALE_DAYS} days old: defaults, and the stream's days",
        _after(_old_user),
    ),
    Rung(
        "merchant stale",
        f"the merchants' hourly state is {STALE_DAYS} days old: defaults",
        _after(_old_merchant),
    ),
    Rung("both stale", "no job ran: defaults, and the stream's days", _after(_old_both)),
    Rung(
        "predictor gone",
        "rules over all values decide",
        _everything,
        asks_model=False,
    ),
    Rung(
        "store gone",
        "rules over the request alone decide, whether the predictor is there or not",
        _nothing,
        asks_model=False,
    ),
)
"""From the highest to the lowest. Below them is the answer 503, where the policy wants that."""
