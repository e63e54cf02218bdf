"""Configurations of short training runs over :mod:`tests.support.cards`."""

from datetime import timedelta
from typing import Any

from cardfraud.contracts.candidate import Period
from cardfraud.steps.train.config import TrainConfig
from tests.support.cards import FIRST_DAY


def days(first: int, last: int) -> Period:
    """Return the days from ``first`` up to, without, ``last``, counted from the first day."""
    return Period(start=FIRST_DAY + timedelta(days=first), end=FIRST_DAY + timedelta(days=last))


def config(algorithm: str = "random_forest", **changes: Any) -> TrainConfig:
    """Return a run over the 42 days that takes a second or two."""
    quick: dict[str, dict[str, Any]] = {
        "random_forest": {"trees": 20, "max_depth": 5},
        "gradient_boosting": {"trees": 40, "min_samples_leaf": 20},
    }
    return TrainConfig.model_validate(
        {
            "algorithm": algorithm,
            "parameters": quick.get(algorithm, {}),
            "train": days(0, 12),
            "validation": days(19, 26),
            "test": days(33, 42),
            **changes,
        }
    )
