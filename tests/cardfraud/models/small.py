"""Small models of every kind, trained in a second or two, for the battery of checks."""

from importlib.util import find_spec
from typing import Any

from cardfraud.models.parameters import ESTIMATORS
from cardfraud.models.training import TrainedModel, fit
from tests.cardfraud.models.data import NAMES, rows

SMALL: dict[str, dict[str, Any]] = {
    "logistic_regression": {},
    "random_forest": {"trees": 20},
    "gradient_boosting": {
        "trees": 40,
        "min_samples_leaf": 20,
        "linear_start": ("share", "constant"),
    },
    "neural_network": {
        "hidden": (16, 8),
        "bins": 16,
        "epochs": 15,
        "batch_size": 256,
        "learning_rate": 0.01,
    },
}
TORCH = find_spec("torch") is not None
HERE = tuple(name for name in ESTIMATORS if TORCH or name != "neural_network")
"""Estimators that this environment can fit; test_deep_environment.py sees to the rest."""
TRAIN, VALIDATION, TEST = rows(4_000, 1), rows(2_000, 2), rows(5_000, 3)


def train(name: str, **rest: Any) -> TrainedModel:
    """Fit a small model of one kind."""
    params = SMALL[name] | rest.pop("params", {})
    validation = (VALIDATION.x, VALIDATION.y)
    given = {"params": params, "names": NAMES, "validation": validation}
    return fit(name, TRAIN.x, TRAIN.y, **given | rest)
