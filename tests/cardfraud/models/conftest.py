"""The battery runs once for each estimator that this environment can fit."""

import pytest

from cardfraud.models.training import TrainedModel
from tests.cardfraud.models.small import HERE, TORCH, train

# Fitting a network needs torch, which only the deep environment has; test_deep_environment.py
# runs these there, together with the network's part of the battery, and counts them.
collect_ignore = [] if TORCH else ["test_neural_network.py"]


@pytest.fixture(scope="module", params=HERE)
def name(request: pytest.FixtureRequest) -> str:
    """Each estimator's name in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def model(name: str) -> TrainedModel:
    """A calibrated model of each kind."""
    return train(name)
