"""Publishers that meet, and publishers that are killed: real processes on each server."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import pytest

from cardfraud.adapters.bundles import load_bundle, publish_bundle
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.pointers import alias_digest, move_alias, read_alias
from cardfraud.contracts import keys
from cardfraud.contracts.bundle import make_manifest
from cardfraud.errors import NotFound
from cardfraud_pipelines.local import Endpoints
from tests.support.bundles import bundle_files
from tests.support.publisher import (
    BEFORE_THE_ALIAS,
    BEFORE_THE_MANIFEST,
    Publisher,
    publish,
)


@pytest.fixture
def environment(each_server: Endpoints) -> dict[str, str]:
    """Variables that lead a publisher to a fresh bucket of each server in turn."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CARDFRAUD_"))}
    return clean | each_server.settings_environment()


@pytest.fixture
def champion(store: ObjectStore) -> str:
    """Digest of a bundle that is the champion already."""
    digest = publish_bundle(store, bundle_files(b"champion"), "fraud", "x").bundle_digest
    move_alias(store, "models", "fraud", "champion", digest, expected=None)
    return digest


def digest_of(model: bytes) -> str:
    """Digest of the bundle that a publisher of this graph makes."""
    return make_manifest("fraud", "x", bundle_files(model)).bundle_digest


def test_of_two_publishers_one_wins_and_neither_is_lost(
    store: ObjectStore, environment: dict[str, str], champion: str
) -> None:
    """Both have read the same champion when both write: one moves the alias, the other is told.

    Both bundles are in the registry, and the one that lost succeeds when it tries again.
    """
    models = ("one", "two")
    both = [Publisher.start(environment, model, stop=BEFORE_THE_ALIAS) for model in models]
    for publisher in both:
        publisher.wait_until_stopped()
    for publisher in both:
        publisher.release()
    ends = [publisher.ended() for publisher in both]

    digests = [digest_of(model.encode()) for model in models]
    assert sorted(status for status, _ in ends) == [0, 1]
    winner = next(place for place, (status, _) in enumerate(ends) if status == 0)
    loser = 1 - winner
    assert ends[winner][1] == digests[winner]
    assert ends[loser][1].startswith("Conflict: ")
    assert "aliases/models/fraud/champion.json" in ends[loser][1]
    alias = read_alias(store, "models", "fraud", "champion")
    assert (alias.digest, alias.previous) == (digests[winner], champion)
    for digest in digests:
        assert load_bundle(store, "fraud", digest).digest == digest

    assert publish(store, models[loser].encode()) == digests[loser]
    alias = read_alias(store, "models", "fraud", "champion")
    assert (alias.digest, alias.previous) == (digests[loser], digests[winner])


@pytest.mark.parametrize("stop", [2, BEFORE_THE_MANIFEST, BEFORE_THE_ALIAS])
def test_a_killed_publisher_changes_nothing_for_servers(
    store: ObjectStore, environment: dict[str, str], champion: str, stop: int
) -> None:
    """After SIGKILL the alias names the old champion; before the manifest there is no bundle.

    Publishing again completes what was begun.
    """
    publisher = Publisher.start(environment, "new", stop=stop)
    publisher.wait_until_stopped()
    publisher.kill()

    digest = digest_of(b"new")
    assert len(list(store.keys(keys.bundle_prefix("fraud", digest)))) == stop
    assert alias_digest(store, "models", "fraud", "champion") == champion
    if stop == BEFORE_THE_ALIAS:
        assert load_bundle(store, "fraud", digest).digest == digest  # whole, and named by nobody
    else:
        with pytest.raises(NotFound, match="did not finish"):
            load_bundle(store, "fraud", digest)

    assert publish(store, b"new") == digest
    assert alias_digest(store, "models", "fraud", "champion") == digest
    assert load_bundle(store, "fraud", digest).files == bundle_files(b"new")


@contextmanager
def narrow_link(target: str, limit: int) -> Iterator[tuple[str, Event]]:
    """Lead to a server, and stop carrying once a client has sent so many bytes in all.

    Yields the address and what is set at that moment. Leaving it cuts every connection.
    """
    host, _, port = target.removeprefix("http://").rpartition(":")
    full, carried, ends = Event(), 0, list[socket.socket]()
    server = socket.create_server(("127.0.0.1", 0))

    def forward(source: socket.socket, sink: socket.socket, *, counts: bool) -> None:
        nonlocal carried
        with suppress(OSError):
            while piece := source.recv(65_536):
                carried += len(piece) * counts
                if carried > limit:
                    full.set()
                    return
                sink.sendall(piece)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.create_connection((host, int(port)))
                ends.extend((near, far))
                for pair, counts in (((near, far), True), ((far, near), False)):
                    arguments, option = pair, {"counts": counts}
                    Thread(target=forward, args=arguments, kwargs=option, daemon=True).start()

    Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", full
    finally:
        for end in (server, *ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def test_a_publisher_killed_in_the_middle_of_a_file_leaves_no_half_of_it(
    store: ObjectStore, environment: dict[str, str], champion: str
) -> None:
    """SIGKILL while 2 of 20 MB of the graph were sent: no server keeps the shorter object.

    If one did, nobody could publish this bundle again, because objects of a bundle never change.
    """
    del champion
    size = 20_000_000
    link = narrow_link(environment["CARDFRAUD_S3_ENDPOINT_URL"], limit=2_000_000)
    with link as (url, full):
        publisher = Publisher.start(
            environment | {"CARDFRAUD_S3_ENDPOINT_URL": url}, "g", size=size
        )
        assert full.wait(timeout=60)
        publisher.kill()

    digest = digest_of(b"g" * size)
    written = [key.rpartition("/")[2] for key in store.keys(keys.bundle_prefix("fraud", digest))]
    assert written == ["card.md", "lineage.json", "metrics.json"]
    assert publish(store, b"g" * size) == digest
    assert load_bundle(store, "fraud", digest).model == b"g" * size
