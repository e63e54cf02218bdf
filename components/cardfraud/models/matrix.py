"""What every model asks of its input arrays."""

import numpy as np
from numpy.typing import NDArray

from cardfraud.errors import InvalidFrame

Float32Matrix = NDArray[np.float32]


def feature_matrix(features: Float32Matrix, *, columns: int | None = None) -> Float32Matrix:
    """Return ``features`` as a C-ordered float32 matrix ``[N, F]``.

    Raises:
        InvalidFrame: not a float32 matrix, the wrong number of columns, or a value that is not
            finite. Other dtypes are refused rather than rounded: training must see the very
            float32 values that serving sees.
    """
    if features.ndim != 2 or features.dtype != np.float32:
        raise InvalidFrame(
            "features", f"expected a float32 matrix, got {features.dtype} of shape {features.shape}"
        )
    if columns is not None and features.shape[1] != columns:
        raise InvalidFrame(
            "features", f"the model was trained on {columns} columns, got {features.shape[1]}"
        )
    finite = np.isfinite(features)
    if not finite.all():
        column = int(np.flatnonzero(~finite.all(axis=0))[0])
        raise InvalidFrame("features", f"column {column} has values that are not finite")
    return np.ascontiguousarray(features)


def class_labels(labels: NDArray[np.bool_], rows: int) -> NDArray[np.bool_]:
    """Return ``labels`` as booleans ``[N]``.

    Raises:
        InvalidFrame: the wrong length, not boolean, or one class only.
    """
    if labels.shape != (rows,) or labels.dtype != np.bool_:
        raise InvalidFrame(
            "labels", f"expected {rows} booleans, got {labels.dtype} of shape {labels.shape}"
        )
    if labels.all() or not labels.any():
        frauds = int(labels.sum())
        raise InvalidFrame("labels", f"{frauds} frauds in {rows} rows; both classes are needed")
    return labels
