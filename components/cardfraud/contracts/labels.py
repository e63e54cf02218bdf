"""What became known about a transaction later, and who the card holders are."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

LABEL_COLUMNS: Final = ("transaction_id", "is_fraud", "reported_at", "revision")
"""Columns of a table of labels. Several rows may speak of one transaction: the one with the highest
``revision`` among those reported by a moment counts at that moment."""

USER_COLUMNS: Final = ("user_id", "segment", "joined_at")
"""Columns of a table of users."""

LABEL_DELAY: Final = timedelta(days=7)
"""Time after the event at which a label is taken to be known where a source does not say; also the
maturity time, after which an unlabelled transaction counts as legitimate."""
