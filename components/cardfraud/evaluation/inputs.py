"""What every metric asks of its arrays, checked in one place."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.errors import InvalidFrame


def labels_and_scores(
    labels: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return labels and scores as arrays of one length.

    Args:
        labels: ``[N]`` booleans, or numbers that are all 0 or 1; true is fraud.
        scores: ``[N]`` finite numbers; a higher score is a stronger suspicion.

    Raises:
        InvalidFrame: the arrays are empty, of different lengths, not flat, a label is neither
            0 nor 1, or a score is not finite.
    """
    y = np.asarray(labels)
    s = np.asarray(scores, dtype=np.float64)
    if y.ndim != 1 or s.ndim != 1:
        raise InvalidFrame("scores", f"expected flat arrays, got {y.ndim} and {s.ndim} dimensions")
    if len(y) != len(s):
        raise InvalidFrame("scores", f"{len(y)} labels but {len(s)} scores")
    if not len(y):
        raise InvalidFrame("scores", "no rows to evaluate")
    if not np.isin(y, (0, 1)).all():
        raise InvalidFrame("labels", "a label is neither 0 nor 1")
    finite = np.isfinite(s)
    if not finite.all():
        raise InvalidFrame("scores", f"{int((~finite).sum())} scores are not finite")
    return y.astype(np.bool_), s


def column(name: str, values: ArrayLike, rows: int) -> NDArray[np.generic]:
    """Return ``values`` as a flat array of ``rows`` entries.

    Raises:
        InvalidFrame: the array is not flat or has another length.
    """
    array = np.asarray(values)
    if array.shape != (rows,):
        raise InvalidFrame(name, f"expected {rows} values, got shape {array.shape}")
    return array
