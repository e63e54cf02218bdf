"""One small world for all tests of the serving benchmark."""

import pytest

from cardfraud_pipelines.benchmarks.serving.world import World
from tests.cardfraud_pipelines.benchmarks.serving.worlds import small_world


@pytest.fixture(scope="package")
def world() -> World:
    """A few users, merchants and their forest."""
    return small_world()
