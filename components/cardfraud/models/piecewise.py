"""A piecewise-linear encoding of numbers, the network's own preprocessing.

A feature becomes one input for each of its bins: 0 below the bin, 1 above it, in between the share
of the bin that lies below the value. Source: Gorishniy, Rubachev and Babenko (2022), "On Embeddings
for Numerical Features in Tabular Deep Learning", section 3.2.

Two properties matter here. A value outside the training range, however far, gives the inputs of the
nearest value inside it. And the encoding is a subtraction, a multiplication and a clip of float32
numbers, which every IEEE machine rounds alike, so estimator and ONNX graph see the same inputs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardfraud.models.matrix import Float32Matrix

_NARROWEST = 1e-6
"""Bins narrower than this share of the feature's range are merged with the next."""


@dataclass(frozen=True, slots=True)
class PiecewiseLinearEncoding:
    """``clip((x[:, column] - lower) * scale, 0, 1)``, one entry of each array for each bin."""

    column: NDArray[np.int64]
    lower: NDArray[np.float32]
    scale: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of bins ``B`` of all features together."""
        return len(self.column)

    def encode(self, features: Float32Matrix) -> Float32Matrix:
        """Return the network's inputs, ``[N, B]`` float32 in 0 to 1, of features ``[N, F]``."""
        with np.errstate(over="ignore"):  # an infinite distance is clipped like any other
            encoded = (features[:, self.column] - self.lower) * self.scale
        return np.clip(encoded, np.float32(0), np.float32(1), out=encoded)


def fit_encoding(features: Float32Matrix, bins: int) -> PiecewiseLinearEncoding:
    """Lay out at most ``bins`` bins for each column of ``features``, ``[N, F]``.

    A column with one value only gets a single bin that is always 0: nothing was learnt about any
    other value, so no other value may change a score.
    """
    columns, lowers, scales = [], [], []
    for column, values in enumerate(features.T):
        edges = _edges(values, bins)
        if len(edges) == 1:
            lower, scale = np.zeros(1, np.float32), np.zeros(1, np.float32)
        else:
            lower = edges[:-1]
            steep = 1 / np.diff(edges.astype(np.float64))
            # Edges may lie closer than the inverse of the largest float32 number.
            scale = np.minimum(steep, np.finfo(np.float32).max).astype(np.float32)
        columns.append(np.full(len(lower), column, dtype=np.int64))
        lowers.append(lower)
        scales.append(scale)
    return PiecewiseLinearEncoding(
        np.concatenate(columns), np.concatenate(lowers), np.concatenate(scales)
    )


def _edges(values: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """Edges of a feature's bins: half at quantiles of the rows, half at those of distinct values.

    Fraud shares are 0 in nearly every row, so that quantiles of the rows alone would leave one bin
    for all that lies above.
    """
    distinct = np.unique(values)
    of_rows = np.linspace(0, 1, bins // 2 + 1)[1:-1]
    of_values = np.linspace(0, 1, bins - len(of_rows) + 1)
    edges = np.unique(
        np.concatenate(
            [
                np.quantile(values, of_rows, method="lower"),
                np.quantile(distinct, of_values, method="lower"),
            ]
        )
    ).astype(np.float64)
    narrowest = _NARROWEST * (edges[-1] - edges[0])
    kept = [edges[0]]
    for edge in edges[1:]:
        if edge - kept[-1] > narrowest:
            kept.append(edge)
    return np.array(kept, dtype=np.float32)
