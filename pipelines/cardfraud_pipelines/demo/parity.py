"""Compares served scores with what the same model gives on the offline values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import CardfraudError

TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Parity:
    """The outcome of one comparison.

    Attributes:
        rows: scores compared.
        unserved: transactions that got no probability from the model.
        differing: scores further apart than the tolerance.
        largest: largest difference.
        worst: id of the transaction with the largest difference.
    """

    rows: int
    unserved: int
    differing: int
    largest: float
    worst: str

    @property
    def holds(self) -> bool:
        """Whether every transaction was scored by the model and every score agrees."""
        return self.rows > 0 and self.unserved == 0 and self.differing == 0


class ServedDiffersFromOffline(CardfraudError):
    """What was served is not what the same model says on the offline values."""

    def __init__(self, parity: Parity) -> None:
        """Build the message from the comparison."""
        self.parity = parity
        super().__init__(
            f"{parity.differing} of {parity.rows} served scores differ from offline by more than "
            f"{TOLERANCE:g} and {parity.unserved} have none; the largest difference is "
            f"{parity.largest:.3g}, of transaction {parity.worst}",
            hint="a feature is computed differently online, or state was lost",
        )


def compare(
    transaction_ids: list[str],
    served: NDArray[np.float64],
    offline: NDArray[np.float64],
) -> Parity:
    """Compare two columns of probabilities.

    Args:
        transaction_ids: [N], for naming the worst row.
        served: [N], NaN where the model did not answer.
        offline: [N].
    """
    if not len(transaction_ids) == len(served) == len(offline):
        msg = "the columns have different lengths"
        raise ValueError(msg)
    absent = np.isnan(served)
    difference = np.where(absent, 0.0, np.abs(served - offline))
    worst = int(difference.argmax()) if len(difference) else -1
    return Parity(
        rows=len(served),
        unserved=int(absent.sum()),
        differing=int((~(difference <= TOLERANCE)).sum()),
        largest=float(difference.max(initial=0.0)),
        worst=transaction_ids[worst] if worst >= 0 else "",
    )
