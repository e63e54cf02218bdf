"""Figures published for this protocol, to stand beside ours.

Source: Le Borgne, Siblini, Lebichot and Bontempi, "Reproducible Machine Learning for Credit Card
Fraud Detection - Practical Handbook", Université Libre de Bruxelles, chapter 3, "Baseline fraud
detection system" (training 2018-07-25 to 2018-07-31, test 2018-08-08 to 2018-08-14, 15 features).
"""

from datetime import date
from typing import Final

from pydantic import BaseModel, ConfigDict

SOURCE: Final = (
    "Le Borgne, Siblini, Lebichot, Bontempi: Reproducible Machine Learning for Credit Card "
    "Fraud Detection - Practical Handbook, chapter 3"
)
TEST_START: Final = date(2018, 8, 8)
TEST_DAYS: Final = 7
"""The figures hold for the week from ``TEST_START`` only."""
TOLERANCE: Final = 0.005
"""How far our run of the book's set-up may lie from the book."""


class BookFigures(BaseModel):
    """One row of the book's table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    auc_roc: float
    average_precision: float
    card_precision: float


FIGURES: Final[dict[str, BookFigures]] = {
    "Logistic regression": BookFigures(
        auc_roc=0.871, average_precision=0.606, card_precision=0.291
    ),
    "Decision tree, depth 2": BookFigures(
        auc_roc=0.763, average_precision=0.496, card_precision=0.241
    ),
    "Decision tree": BookFigures(auc_roc=0.788, average_precision=0.309, card_precision=0.243),
    "Random forest": BookFigures(auc_roc=0.867, average_precision=0.658, card_precision=0.287),
    "XGBoost": BookFigures(auc_roc=0.862, average_precision=0.639, card_precision=0.273),
}
