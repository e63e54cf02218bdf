from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.pointers import (
    alias_digest,
    move_alias,
    paired_policy,
    read_alias,
    read_tracks,
    update_tracks,
    write_tracks,
)
from cardfraud.contracts import keys
from cardfraud.contracts.policy import Policy, Thresholds
from cardfraud.contracts.tracks import Track, Tracks
from cardfraud.errors import Conflict, IntegrityError, InvalidSetting, NotFound
from tests.support.bundles import bundle_files

POLICY = Policy(thresholds=Thresholds(review=0.2, decline=0.9))


class MeetingStore(ObjectStore):
    """A store whose first write waits until all writers have read."""

    def __init__(self, other: ObjectStore, barrier: Barrier) -> None:
        super().__init__(other.settings)
        self._barrier = barrier
        self._met = False

    def put(self, key: str, content: bytes) -> str:
        """Write once the others have read too."""
        self._meet()
        return super().put(key, content)

    def put_if_absent(self, key: str, content: bytes) -> str:
        """Write once the others have read too."""
        self._meet()
        return super().put_if_absent(key, content)

    def put_if_match(self, key: str, content: bytes, etag: str) -> str:
        """Write once the others have read too."""
        self._meet()
        return super().put_if_match(key, content, etag)

    def _meet(self) -> None:
        if not self._met:
            self._met = True
            self._barrier.wait(timeout=30)


def _publish(store: ObjectStore, *models: bytes) -> list[str]:
    return [publish_bundle(store, bundle_files(m), "fraud", "x").bundle_digest for m in models]


def _tracks(bundle: str, policy: str, canary: str | None = None) -> Tracks:
    tracks = {"stable": Track(bundle=bundle, policy=policy, weight=90 if canary else 100)}
    if canary:
        tracks["canary"] = Track(bundle=canary, policy=policy, weight=10)
    return Tracks.model_validate({"model": "fraud", "tracks": tracks})


def test_an_alias_moves_and_remembers_the_way_back(store: ObjectStore) -> None:
    """An alias names what it was moved to last and what it named before."""
    one, two = _publish(store, b"one", b"two")
    assert alias_digest(store, "models", "fraud", "champion") is None
    move_alias(store, "models", "fraud", "champion", one, expected=None)
    move_alias(store, "models", "fraud", "champion", two, expected=one)
    alias = read_alias(store, "models", "fraud", "champion")
    assert (alias.digest, alias.previous) == (two, one)
    assert move_alias(store, "models", "fraud", "champion", two, expected=two) == alias


@pytest.mark.parametrize("first", [True, False])
def test_of_two_who_move_an_alias_at_once_one_gets_a_conflict(
    store: ObjectStore, first: bool
) -> None:
    """Both read the same state; one move happens, the other is told, nothing is lost silently."""
    base, one, two = _publish(store, b"base", b"one", b"two")
    expected = None if first else base
    if not first:
        move_alias(store, "models", "fraud", "champion", base, expected=None)
    barrier = Barrier(2)

    def move(digest: str) -> str | None:
        try:
            move_alias(
                MeetingStore(store, barrier),
                "models",
                "fraud",
                "champion",
                digest,
                expected=expected,
            )
        except Conflict:
            return None
        return digest

    with ThreadPoolExecutor(2) as pool:
        won = [digest for digest in pool.map(move, (one, two)) if digest]
    assert len(won) == 1
    assert read_alias(store, "models", "fraud", "champion").digest == won[0]


def test_an_alias_that_is_not_as_expected_stays(store: ObjectStore) -> None:
    """A move by somebody who has not seen the present state is refused and says what is there."""
    one, two = _publish(store, b"one", b"two")
    move_alias(store, "models", "fraud", "champion", one, expected=None)
    for stale in (None, two):
        with pytest.raises(Conflict, match=one):
            move_alias(store, "models", "fraud", "champion", two, expected=stale)
    assert alias_digest(store, "models", "fraud", "champion") == one


def test_pointers_name_published_things_only(store: ObjectStore) -> None:
    """Neither an alias nor a track can name a bundle or a policy that does not exist."""
    (bundle,) = _publish(store, b"one")
    nowhere = "sha256-" + "0" * 64
    with pytest.raises(NotFound, match="bundle"):
        move_alias(store, "models", "fraud", "champion", nowhere, expected=None)
    with pytest.raises(NotFound, match="policy"):
        move_alias(store, "models", "fraud", "champion", bundle, expected=None, paired_with=nowhere)
    with pytest.raises(NotFound, match="policy"):
        write_tracks(store, _tracks(bundle, nowhere), etag=None)
    assert list(store.keys("aliases/")) + list(store.keys("tracks/")) == []


def test_aliases_of_bundles_and_policies_are_apart(store: ObjectStore) -> None:
    """The same alias name can point at a bundle and at a policy."""
    (bundle,) = _publish(store, b"one")
    policy = publish_policy(store, "fraud", POLICY)
    move_alias(store, "models", "fraud", "champion", bundle, expected=None)
    move_alias(store, "policies", "fraud", "champion", policy, expected=None)
    assert alias_digest(store, "models", "fraud", "champion") == bundle
    assert alias_digest(store, "policies", "fraud", "champion") == policy


def test_a_policy_decides_beside_the_bundle_that_it_was_moved_for(store: ObjectStore) -> None:
    """The policy's alias counts for its own bundle; beside another, what came with that one."""
    one, two = _publish(store, b"one", b"two")
    first, second, third = (
        publish_policy(store, "fraud", POLICY.model_copy(update={"alert_budget_per_day": budget}))
        for budget in (1, 2, 3)
    )
    assert paired_policy(store, "fraud", "champion", one) is None
    move_alias(store, "models", "fraud", "champion", one, expected=None, paired_with=first)
    assert paired_policy(store, "fraud", "champion", one) == first  # it has no alias yet
    move_alias(store, "policies", "fraud", "champion", second, expected=None, paired_with=one)
    assert paired_policy(store, "fraud", "champion", one) == second
    move_alias(store, "models", "fraud", "champion", two, expected=one, paired_with=third)
    assert paired_policy(store, "fraud", "champion", two) == third
    assert paired_policy(store, "fraud", "champion", one) == second
    move_alias(store, "policies", "fraud", "champion", third, expected=second, paired_with=two)
    assert paired_policy(store, "fraud", "champion", two) == third
    assert paired_policy(store, "fraud", "champion", one) is None


def test_aliases_that_say_no_more_than_a_digest_still_count(store: ObjectStore) -> None:
    """Aliases written before they named a pair are taken as a pair, and can be completed."""
    (bundle,) = _publish(store, b"one")
    policy = publish_policy(store, "fraud", POLICY)
    move_alias(store, "models", "fraud", "champion", bundle, expected=None)
    document = f'{{"schema_version": 1, "name": "champion", "digest": "{policy}"}}'
    store.put(keys.policy_alias("fraud", "champion"), document.encode())
    assert paired_policy(store, "fraud", "champion", bundle) == policy
    moved = move_alias(
        store, "models", "fraud", "champion", bundle, expected=bundle, paired_with=policy
    )
    assert (moved.paired_with, moved.previous) == (policy, None)
    again = move_alias(store, "models", "fraud", "champion", bundle, expected=bundle)
    assert again == moved


def test_an_alias_name_stays_inside_its_folder(store: ObjectStore) -> None:
    """A name with a slash or dots is refused."""
    with pytest.raises(InvalidSetting, match="alias"):
        read_alias(store, "models", "fraud", "../champion")


def test_a_broken_alias_is_an_integrity_error(store: ObjectStore) -> None:
    """What does not parse as an alias is said to be broken, not taken as absent."""
    store.put(keys.bundle_alias("fraud", "champion"), b'{"name": "champion"')
    with pytest.raises(IntegrityError, match="alias champion"):
        alias_digest(store, "models", "fraud", "champion")


def test_of_two_who_write_tracks_at_once_one_gets_a_conflict(store: ObjectStore) -> None:
    """Tracks written from the same reading do not overwrite each other."""
    base, one, two = _publish(store, b"base", b"one", b"two")
    policy = publish_policy(store, "fraud", POLICY)
    etag = write_tracks(store, _tracks(base, policy), etag=None)
    barrier = Barrier(2)

    def write(canary: str) -> str | None:
        try:
            write_tracks(MeetingStore(store, barrier), _tracks(base, policy, canary), etag=etag)
        except Conflict:
            return None
        return canary

    with ThreadPoolExecutor(2) as pool:
        won = [digest for digest in pool.map(write, (one, two)) if digest]
    assert len(won) == 1
    assert read_tracks(store, "fraud").tracks.tracks["canary"].bundle == won[0]


def test_updates_of_tracks_that_meet_are_both_kept(store: ObjectStore) -> None:
    """The loser of a race starts again from what the winner wrote, so neither change is lost."""
    base, one = _publish(store, b"base", b"one")
    policy = publish_policy(store, "fraud", POLICY)
    write_tracks(store, _tracks(base, policy), etag=None)
    barrier = Barrier(2)

    def canary(tracks: Tracks | None) -> Tracks:
        assert tracks is not None
        parts = {
            **tracks.tracks,
            "stable": Track(bundle=base, policy=policy, weight=90),
            "canary": Track(bundle=one, policy=policy, weight=10),
        }
        return Tracks.model_validate({"model": "fraud", "tracks": parts})

    def shadow(tracks: Tracks | None) -> Tracks:
        assert tracks is not None
        parts = {**tracks.tracks, "shadow": Track(bundle=one, policy=policy, weight=0, mirror=50)}
        return Tracks.model_validate({"model": "fraud", "tracks": parts})

    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(
                lambda change: update_tracks(MeetingStore(store, barrier), "fraud", change),
                (canary, shadow),
            )
        )
    assert set(read_tracks(store, "fraud").tracks.tracks) == {"stable", "canary", "shadow"}


def test_a_write_whose_answer_was_lost_is_no_conflict(store: ObjectStore) -> None:
    """A retried write that meets its own object is the success that it was."""
    (bundle,) = _publish(store, b"one")
    policy = publish_policy(store, "fraud", POLICY)
    tracks = _tracks(bundle, policy)
    etag = write_tracks(store, tracks, etag=None)
    assert write_tracks(store, tracks, etag=None) == etag
