"""Marks that say which state views an online store was filled with.

A Redis that lost everything (flushed, restarted without its data, replaced by an empty replica)
answers of everybody what it answers of a newcomer: absent. So whoever fills a state view leaves a
mark beside it, and a reader that misses something asks whether the mark is there.
"""

from __future__ import annotations

from collections.abc import Sequence

from cardfraud.adapters.feature_store.online import OnlineRow
from cardfraud.contracts.features import StateView
from cardfraud.features.definitions import MERCHANT_STATE, USER_HISTORY_STATE


def mark_of(project: str, view: StateView) -> bytes:
    """Key of the mark of a view; the view's name carries the version of its state."""
    return f"cardfraud:filled:{project}:{view.name}".encode()


def views_missed(rows: Sequence[OnlineRow]) -> list[StateView]:
    """Views that jobs fill and that some row has nothing of."""
    missed = []
    if any(row.history is None for row in rows):
        missed.append(USER_HISTORY_STATE)
    if any(row.merchant is None for row in rows):
        missed.append(MERCHANT_STATE)
    return missed
