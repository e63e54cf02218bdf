"""How long a request may wait for what it is made of."""

from __future__ import annotations

from typing import Final

_ROWS_IN_TIME: Final = 100


def within(timeout_s: float, rows: int) -> float:
    """Return the time that a call for so many rows may take: proportionally more above 100."""
    return timeout_s * max(1.0, rows / _ROWS_IN_TIME)
