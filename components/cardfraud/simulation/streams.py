"""Random streams: one for each concern and day, so that nothing depends on what was drawn before.

A day's numbers come from ``SeedSequence(seed, spawn_key=(concern, day))``. Whatever the range, the
order in which days are made, or how much another concern draws, they are the same.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Concern(IntEnum):
    """What a stream is for; a number here is part of every result, so it never changes."""

    USERS = 0
    MERCHANTS = 1
    PAYMENTS = 2
    COMPROMISED_MERCHANTS = 3
    COMPROMISED_USERS = 4
    THEFTS = 5
    LABELS = 6
    CARD_TESTS = 7


def stream(seed: int, concern: Concern, day: int = 0) -> np.random.Generator:
    """Return a fresh generator of one concern on one day (counted from the start, from 0)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(concern), day)))
