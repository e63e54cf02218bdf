import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cardfraud.evaluation.judged import ROWS


@pytest.fixture(scope="module")
def labels() -> NDArray[np.bool_]:
    """Four thousand rows, five in a hundred frauds."""
    return np.random.default_rng(0).random(ROWS) < 0.05
