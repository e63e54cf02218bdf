"""A small world: few users, a forest that fits in a moment."""

from cardfraud_pipelines.benchmarks.serving.world import World, make_world

USERS = 40


def small_world() -> World:
    """Return users with a payment a day and a forest on their last two thousand payments."""
    return make_world(8_000, users=USERS, merchants=30, training_rows=2_000)
