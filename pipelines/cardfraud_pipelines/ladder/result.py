"""What a measurement of the ladder found."""

from __future__ import annotations

from datetime import date

from cardfraud.contracts.frozen import Frozen

CARDS_PER_DAY = 100


class RungFigures(Frozen):
    """What one rung reaches on the held-out days."""

    name: str
    meaning: str
    asks_model: bool
    card_precision: float
    """Card Precision@100, the mean over the days."""
    share_of_ceiling: float
    average_precision: float
    recall_at_budget: float
    """Share of the frauds whose card is among the day's highest-ranked, as many as the policy's
    alert budget."""
    alerts_per_day: float
    """Cards a day that the policy would review or decline."""
    frauds_stopped: float
    """Share of the frauds that it would review or decline."""
    told: float
    """Share of the answers that tell of it: degraded features, or no probability."""


class LadderResult(Frozen):
    """The whole ladder, on the same rows with the same model and policy."""

    data: str
    first_day: date
    last_day: date
    rows: int
    frauds: int
    card_precision_ceiling: float
    algorithm: str
    alert_budget_per_day: int
    review_threshold: float
    decline_threshold: float
    rules: tuple[str, ...]
    when_degraded: str
    rungs: tuple[RungFigures, ...]

    @property
    def full(self) -> RungFigures:
        """The rung on which nothing is missing."""
        return self.rungs[0]

    def lost(self, rung: RungFigures) -> float:
        """Card Precision@100 that a rung loses."""
        return self.full.card_precision - rung.card_precision
