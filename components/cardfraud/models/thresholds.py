"""Thresholds of trees that float32 can hold.

Trees compare a float32 feature with a float64 threshold; ONNX stores thresholds as float32. A
threshold rounded to the *nearest* float32 can move above a feature value that lay above it before,
and that row then takes the other branch. For a float32 x and any t, ``x <= t`` holds exactly when
``x <= floor32(t)`` does, floor32 being the largest float32 not above t. So rounding down, in the
estimator and therefore in its export, changes no decision on float32 inputs.
"""

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier


def floor32(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest float32 not above each threshold, held in float64."""
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > thresholds, below, nearest).astype(np.float64)


def round_forest(forest: "RandomForestClassifier") -> None:
    """Round the thresholds of a fitted scikit-learn forest down, in place."""
    for tree in forest.estimators_:
        # The array is a view into the tree's nodes, so writing to it changes the tree.
        tree.tree_.threshold[:] = floor32(tree.tree_.threshold)


def round_lightgbm_text(model: str) -> str:
    """Return LightGBM's model text with all numeric thresholds rounded down.

    The sizes of the trees in the header are left out, because they count characters that change;
    LightGBM then finds the trees by their headings.
    """
    model = re.sub(r"^tree_sizes=.*\n", "", model, flags=re.MULTILINE)
    return re.sub(r"^threshold=(.*)$", _rounded_line, model, flags=re.MULTILINE)


def _rounded_line(match: re.Match[str]) -> str:
    if not match[1].strip():
        return match[0]
    values = floor32(np.array([float(v) for v in match[1].split()]))
    return "threshold=" + " ".join(repr(float(v)) for v in values)
