"""What a run of the scorecard found."""

from datetime import date
from typing import Any, Literal

from pydantic import Field

from cardfraud.contracts.frozen import Frozen
from cardfraud_pipelines.scorecard.book import BookFigures


class Figures(Frozen):
    """What one scorer reaches on the test rows.

    ``card_precision`` is Card Precision@100, the mean over the test days; ``share_of_ceiling`` is
    that mean over what a perfect scorer reaches on the same rows.
    """

    auc_roc: float
    average_precision: float
    card_precision: float
    share_of_ceiling: float


class ModelRow(Frozen):
    """One model of the scorecard.

    ``set_up`` says whose features and training days were used. ``published`` holds the book's
    figures where it has them for this very week; ``difference`` is the largest absolute difference
    from them. ``runs`` has the figures of each seed; ``figures`` is their mean.
    """

    name: str
    set_up: Literal["book", "ours"]
    train_rows: int
    train_frauds: int
    features: int
    figures: Figures
    runs: dict[int, Figures]
    published: BookFigures | None = None
    difference: float | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    onnx_parity: float | None = None
    """Largest difference between model and exported graph over the test rows and seeds."""


class WeekRow(Frozen):
    """Our model on one test week, fitted on what was known when it began."""

    test_start: date
    selected_on: bool
    """Whether our configuration was chosen on days of this week, so that its figures flatter."""
    test_rows: int
    test_frauds: int
    card_precision_ceiling: float
    figures: Figures
    """Mean of the seeds."""
    runs: dict[int, Figures]


class ScorecardResult(Frozen):
    """The whole scorecard."""

    test_start: date
    test_days: int
    test_rows: int
    test_frauds: int
    card_precision_ceiling: float
    configuration_digest: str
    """SHA-256 of our configuration, which was fixed before any test week was scored."""
    earlier_looks: int | None = None
    """How often an earlier configuration of ours had been scored on the book's week when this one
    was committed; None for other test days."""
    source_of_published: str
    models: tuple[ModelRow, ...]
    weeks: tuple[WeekRow, ...] = ()
    """The tested days and the weeks before them that were asked for, oldest first."""
    mean_of_weeks: Figures | None = None
    """Mean of our figures over ``weeks``, those that our configuration was chosen on included."""
