import pytest

from cardfraud.adapters.bundles import load_policy, publish_bundle, publish_policy
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.pointers import read_alias, read_tracks, update_tracks, write_tracks
from cardfraud.contracts.policy import Policy
from cardfraud.contracts.tracks import Track, TrackName, Tracks
from cardfraud.errors import Conflict, InvalidSetting, NotFound, Unavailable
from cardfraud.steps.deploy import policy_change
from cardfraud.steps.deploy.config import DeployConfig
from cardfraud.steps.deploy.policy_change import apply_policy
from cardfraud.steps.deploy.step import run
from cardfraud_pipelines.local import Endpoints
from tests.support.bundles import bundle_files
from tests.support.graphs import tiny_policy
from tests.support.stores import careless, object_store

POLICY = tiny_policy()
OTHER = tiny_policy(alert_budget_per_day=7)
THIRD = tiny_policy(alert_budget_per_day=8)


@pytest.fixture
def store(endpoints: Endpoints) -> ObjectStore:
    """Return a store where a bundle decides by ``POLICY`` on stable, and on a canary beside it."""
    store = object_store(endpoints)
    bundle = publish_bundle(store, bundle_files(), "fraud", "x").bundle_digest
    policy = publish_policy(store, "fraud", POLICY)
    tracks: dict[TrackName, Track] = {
        "stable": Track(bundle=bundle, policy=policy, weight=90),
        "canary": Track(bundle=bundle, policy=policy, weight=10),
    }
    write_tracks(store, Tracks(model="fraud", tracks=tracks), etag=None)
    return store


def _policies(store: ObjectStore) -> dict[str, str]:
    return {name: one.policy for name, one in read_tracks(store, "fraud").tracks.tracks.items()}


def test_only_the_policy_of_the_track_changes(store: ObjectStore) -> None:
    """Bundle, weights and the other track stay; the policy is published and the alias follows."""
    before = read_tracks(store, "fraud").tracks.tracks
    change = apply_policy(store, "fraud", OTHER)
    after = read_tracks(store, "fraud").tracks.tracks
    assert (change.before, change.after) == (POLICY.digest, OTHER.digest)
    assert after["canary"] == before["canary"]
    assert after["stable"] == before["stable"].model_copy(update={"policy": OTHER.digest})
    assert load_policy(store, "fraud", OTHER.digest) == OTHER
    assert read_alias(store, "policies", "fraud", "champion").digest == OTHER.digest


def test_the_way_back_is_the_same_way(store: ObjectStore) -> None:
    """Applying what decided before restores it; doing it twice changes nothing more."""
    apply_policy(store, "fraud", OTHER)
    for _ in range(2):
        back = apply_policy(store, "fraud", POLICY)
        assert _policies(store)["stable"] == back.after == POLICY.digest
        assert read_alias(store, "policies", "fraud", "champion").digest == POLICY.digest
    assert back.before == POLICY.digest


def test_a_canary_has_its_own_policy(store: ObjectStore) -> None:
    """Stable goes on by the old policy, and no alias but the challenger's moves."""
    apply_policy(store, "fraud", OTHER, "canary")
    assert _policies(store) == {"stable": POLICY.digest, "canary": OTHER.digest}
    assert read_alias(store, "policies", "fraud", "challenger").digest == OTHER.digest
    with pytest.raises(NotFound):
        read_alias(store, "policies", "fraud", "champion")


def test_a_deployment_afterwards_keeps_the_policy(store: ObjectStore) -> None:
    """The next deployment by alias finds the policy that was applied."""
    apply_policy(store, "fraud", OTHER)
    bundle = read_tracks(store, "fraud").tracks.tracks["stable"].bundle
    stable = Track(bundle=bundle, policy=OTHER.digest, weight=100)
    update_tracks(store, "fraud", lambda _: Tracks(model="fraud", tracks={"stable": stable}))
    assert run(DeployConfig(bundle=bundle), store).tracks.tracks["stable"].policy == OTHER.digest


def test_of_two_at_once_one_is_told(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who read the track before another changed it gets a conflict, and overwrites nothing."""

    def another_first(there: ObjectStore, model: str, policy: Policy) -> str:
        monkeypatch.setattr(policy_change, "publish_policy", publish_policy)
        apply_policy(there, model, THIRD)
        return publish_policy(there, model, policy)

    monkeypatch.setattr(policy_change, "publish_policy", another_first)
    with pytest.raises(Conflict, match=THIRD.digest):
        apply_policy(store, "fraud", OTHER)
    assert _policies(store)["stable"] == THIRD.digest
    assert read_alias(store, "policies", "fraud", "champion").digest == THIRD.digest


def test_what_was_interrupted_is_completed(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that died before the alias moved is completed by the next one."""
    with monkeypatch.context() as patched:
        patched.setattr(policy_change, "move_alias", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            apply_policy(store, "fraud", OTHER)
    change = apply_policy(store, "fraud", OTHER)
    assert (change.before, change.after) == (OTHER.digest, OTHER.digest)
    assert (change.alias, change.alias_before) == ("champion", None)
    assert _policies(store)["stable"] == OTHER.digest
    assert read_alias(store, "policies", "fraud", "champion").digest == OTHER.digest


def test_what_cannot_decide_is_not_applied(store: ObjectStore) -> None:
    """A rule over an unknown value, a track that is not deployed: nothing is written at all."""
    listed = sorted(store.keys(""))
    unfit = POLICY.rules[0].model_copy(update={"field": "shoe_size"})
    with pytest.raises(InvalidSetting, match="shoe_size"):
        apply_policy(store, "fraud", tiny_policy(rules=(unfit,)))
    with pytest.raises(NotFound, match="there are: canary, stable"):
        apply_policy(store, "fraud", OTHER, "shadow")
    with pytest.raises(NotFound, match="deploy a bundle first"):
        apply_policy(store, "other", OTHER)
    assert sorted(store.keys("")) == listed


def test_a_store_that_ignores_conditions_is_refused(store: ObjectStore) -> None:
    """Without conditional writes two people could overwrite each other, so nothing is applied."""
    with pytest.raises(Unavailable, match="ignores"):
        apply_policy(careless(store, "If-None-Match"), "fraud", OTHER)
    assert _policies(store)["stable"] == POLICY.digest
