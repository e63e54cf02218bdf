"""What the benchmark writes into the online store is what Feast reads there."""

from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import StreamView
from cardfraud_pipelines.benchmarks.serving.online_store import fill
from cardfraud_pipelines.benchmarks.serving.world import World, user_name
from cardfraud_pipelines.local import Endpoints
from tests.cardfraud_pipelines.benchmarks.serving.worlds import USERS
from tests.support.feature_stores import feature_store


def test_feast_reads_what_was_written(endpoints: Endpoints, world: World) -> None:
    """Every user and merchant has the state of the world; further users repeat it."""
    store = feature_store(endpoints)
    store.apply()
    fill(endpoints.redis_client(), store.settings.project, world, users=2 * USERS + 1)
    users = [user_name(number) for number in range(2 * USERS + 2)]
    merchants = [sorted(world.merchants)[number % len(world.merchants)] for number in range(82)]
    *rows, unknown = store.read_online(users, merchants)
    store.close()
    assert unknown.history is None
    assert unknown.stream is None
    assert 0 < len(world.streams) < USERS  # some have not paid for days
    known = [(row.history, row.stream, row.merchant) for row in rows]
    for number, (history, stream, merchant) in enumerate(known):
        name = user_name(number % USERS)
        assert _same(history, UserHistory.decode(world.histories[name]))
        assert (stream is None) == (name not in world.streams)
        assert stream is None or _same(stream, StreamView.decode(world.streams[name]))
        assert merchant is not None
        assert merchant.encode() == world.merchants[merchants[number]]


def _same(found: UserHistory | StreamView | None, expected: UserHistory | StreamView) -> bool:
    return repr(found) == repr(expected)
