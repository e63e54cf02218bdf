"""Rows with their scores, as a candidate keeps them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardfraud.features.definitions import FEATURE_NAMES

if TYPE_CHECKING:
    from cardfraud.steps.train.rows import Rows


def scored_rows(rows: Rows, scores: NDArray[np.float32], *, features: bool) -> bytes:
    """Return a Parquet file of rows and their scores.

    Args:
        rows: N rows.
        scores: ``[N]`` probabilities.
        features: whether the features come along, one Float32 column each. Where there is no value
            it is null and not the model's default, because a rule does not fire on it.
    """
    import polars as pl

    frame = rows.frame.with_columns(pl.Series("score", scores, dtype=pl.Float32))
    if features:
        known = np.where(rows.missing, np.float32(np.nan), rows.features)
        columns = [pl.Series(n, known[:, i], nan_to_null=True) for i, n in enumerate(FEATURE_NAMES)]
        frame = frame.with_columns(columns)
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
