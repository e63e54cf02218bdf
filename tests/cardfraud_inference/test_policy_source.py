import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from cardfraud.adapters.bundle_cache import BundleCache
from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.pointers import update_tracks
from cardfraud.contracts import keys
from cardfraud.contracts.policy import Policy
from cardfraud.contracts.tracks import Track, Tracks
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud_inference.policy_source import Place, PolicyFollower
from cardfraud_pipelines.local import Endpoints
from tests.cardfraud_inference.waiting import until
from tests.support.bundles import bundle_files
from tests.support.faulty_link import Fault, FaultyLink
from tests.support.graphs import tiny_policy
from tests.support.stores import object_store

POLICY = tiny_policy()
OTHER = tiny_policy(alert_budget_per_day=7)


@dataclasses.dataclass
class Registry:
    """A bundle and its policy on the stable track.

    Attributes:
        store: where they are.
        bundle: digest of the bundle.
        link: between the follower and the store.
        behind: the store as the follower reaches it.
    """

    store: ObjectStore
    bundle: str
    link: FaultyLink
    behind: ObjectStore

    def name(self, policy: str, *, bundle: str | None = None, track: str = "stable") -> None:
        """Let the tracks name a policy, for stable or beside it."""
        named = Track(bundle=bundle or self.bundle, policy=policy, weight=100)
        tracks = {"stable": named}
        if track != "stable":
            stable = Track(bundle=self.bundle, policy=POLICY.digest, weight=90)
            tracks = {"stable": stable, track: named.model_copy(update={"weight": 10})}
        wanted = Tracks.model_validate({"model": "fraud", "tracks": tracks})
        update_tracks(self.store, "fraud", lambda _: wanted)


@pytest.fixture
def registry(endpoints: Endpoints) -> Iterator[Registry]:
    """Publish a bundle with its policy; the follower reaches the store over a link of its own."""
    store = object_store(endpoints)
    bundle = publish_bundle(store, bundle_files(), "fraud", "x").bundle_digest
    publish_policy(store, "fraud", POLICY)
    address, port = endpoints.s3_url.rsplit(":", 1)
    with FaultyLink(int(port.rstrip("/"))) as link:
        behind = dataclasses.replace(endpoints, s3_url=f"{address}:{link.port}")
        yield Registry(store, bundle, link, object_store(behind))
        link.heal()
        until(lambda: not _looking())  # a look that was under way ends by itself


def _looking() -> bool:
    return any(thread.name.startswith("policy") for thread in threading.enumerate())


Adopted = list[tuple[Policy, str]]


@asynccontextmanager
async def _following(
    registry: Registry, adopted: Adopted, cache: BundleCache | None = None
) -> AsyncIterator[PolicyFollower]:
    follower = PolicyFollower(
        registry.behind,
        Place("fraud", "stable", registry.bundle),
        POLICY.digest,
        fields=FEATURE_NAMES,
        adopt=lambda policy, digest: adopted.append((policy, digest)),
        seconds=0.02,
        cache=cache,
    )
    task = asyncio.create_task(follower.run())
    try:
        yield follower
        assert not task.done(), "the follower gave up"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110 (what is waited for happens in another thread)
            await asyncio.sleep(0.01)


def _follow(
    registry: Registry,
    story: Callable[[Adopted, PolicyFollower], Awaitable[None]],
    cache: BundleCache | None = None,
) -> Adopted:
    """Let a follower run while a story is told; return what it handed over."""
    adopted: Adopted = []

    async def whole() -> None:
        async with _following(registry, adopted, cache) as follower:
            await story(adopted, follower)

    asyncio.run(whole())
    return adopted


def _errors(kind: str) -> float:
    name = "cardfraud_policy_refresh_errors_total"
    return REGISTRY.get_sample_value(name, {"kind": kind}) or 0.0


def test_a_new_policy_is_handed_over_and_the_old_one_back(registry: Registry) -> None:
    """The policy that the track names decides next, the same way there and back, each once."""
    other = publish_policy(registry.store, "fraud", OTHER)
    registry.name(POLICY.digest)

    async def story(adopted: Adopted, follower: PolicyFollower) -> None:
        registry.name(other)
        await _until(lambda: len(adopted) == 1)
        assert follower.policy == other
        registry.name(POLICY.digest)
        await _until(lambda: len(adopted) == 2)
        await asyncio.sleep(0.1)

    assert _follow(registry, story) == [(OTHER, other), (POLICY, POLICY.digest)]


def test_what_was_named_before_the_start_is_found_at_once(registry: Registry) -> None:
    """A server that starts with an outdated policy does not wait for the first pause to end."""
    other = publish_policy(registry.store, "fraud", OTHER)
    registry.name(other)
    adopted: Adopted = []

    async def story() -> None:
        follower = PolicyFollower(
            registry.behind,
            Place("fraud", "stable", registry.bundle),
            POLICY.digest,
            fields=FEATURE_NAMES,
            adopt=lambda policy, digest: adopted.append((policy, digest)),
            seconds=3_600,
        )
        task = asyncio.create_task(follower.run())
        await _until(lambda: bool(adopted))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())
    assert adopted == [(OTHER, other)]


def test_other_tracks_and_other_bundles_change_nothing(registry: Registry) -> None:
    """A policy beside another bundle, or of another track, is not this server's."""
    other = publish_policy(registry.store, "fraud", OTHER)
    newer = publish_bundle(registry.store, bundle_files(b"newer"), "fraud", "x").bundle_digest
    last = publish_policy(registry.store, "fraud", tiny_policy(alert_budget_per_day=8))

    async def story(adopted: Adopted, _: PolicyFollower) -> None:
        await asyncio.sleep(0.1)  # nothing was deployed at all
        registry.name(other, bundle=newer)
        await asyncio.sleep(0.2)
        registry.name(other, track="canary")
        await asyncio.sleep(0.2)
        assert not adopted
        registry.name(last)
        await _until(lambda: bool(adopted))

    before = _errors("NotFound")
    assert [digest for _, digest in _follow(registry, story)] == [last]
    assert _errors("NotFound") == before


def _damaged(registry: Registry) -> str:
    digest = publish_policy(registry.store, "fraud", OTHER)
    registry.store.put(keys.policy("fraud", digest), POLICY.encode())
    return digest


def _unfit(registry: Registry) -> str:
    rule = POLICY.rules[0].model_copy(update={"field": "shoe_size"})
    return publish_policy(registry.store, "fraud", tiny_policy(rules=(rule,)))


@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [(_damaged, "IntegrityError", "policy.json"), (_unfit, "InvalidSetting", "shoe_size")],
)
def test_a_policy_that_cannot_decide_is_left_alone(
    registry: Registry, spoil: Callable[[Registry], str], kind: str, said: str
) -> None:
    """Changed bytes, or a rule over an unknown value: counted at each look, logged once."""
    registry.name(spoil(registry))
    good = publish_policy(registry.store, "fraud", tiny_policy(alert_budget_per_day=9))
    before = _errors(kind)

    async def story(adopted: Adopted, follower: PolicyFollower) -> None:
        await _until(lambda: _errors(kind) >= before + 3)
        assert (adopted, follower.policy) == ([], POLICY.digest)
        registry.name(good)
        await _until(lambda: bool(adopted))

    with capture_logs() as logs:
        adopted = _follow(registry, story)
    assert [digest for _, digest in adopted] == [good]
    warnings = [one for one in logs if one["log_level"] == "warning"]
    assert len(warnings) == 1
    assert said in warnings[0]["reason"]
    assert "policy followed again" in {one["event"] for one in logs}


def test_a_store_that_is_gone_and_comes_back_is_outlived(registry: Registry) -> None:
    """Nothing changes while nobody answers; what was named meanwhile is found afterwards."""
    other = publish_policy(registry.store, "fraud", OTHER)
    registry.name(POLICY.digest)
    before = _errors("Unavailable")

    async def story(adopted: Adopted, _: PolicyFollower) -> None:
        registry.link.break_(Fault.REFUSE)
        await _until(lambda: _errors("Unavailable") >= before + 3)
        registry.name(other)
        registry.link.heal()
        await _until(lambda: bool(adopted))

    with capture_logs() as logs:
        assert _follow(registry, story) == [(OTHER, other)]
    assert len([one for one in logs if one["log_level"] == "warning"]) == 1


def test_a_restart_while_the_store_is_gone_finds_what_decided_last(
    registry: Registry, tmp_path: Path
) -> None:
    """The policy that was followed, not the one in the settings; what fails later is counted."""
    other = publish_policy(registry.store, "fraud", OTHER)
    registry.name(POLICY.digest)

    async def followed(adopted: Adopted, follower: PolicyFollower) -> None:
        registry.name(other)
        await _until(lambda: follower.policy == other)

    assert _follow(registry, followed, BundleCache(tmp_path)) == [(OTHER, other)]
    registry.link.break_(Fault.REFUSE)
    before = _errors("Unavailable")

    async def restarted(adopted: Adopted, follower: PolicyFollower) -> None:
        await _until(lambda: follower.policy == other and _errors("Unavailable") > before)

    assert _follow(registry, restarted, BundleCache(tmp_path)) == [(OTHER, other)]


def test_nobody_waits_for_a_look(registry: Registry) -> None:
    """While the store says nothing, the loop goes on, and a stop does not wait for its answer."""
    registry.name(POLICY.digest)
    turns: list[bool] = []

    async def story(adopted: Adopted, _: PolicyFollower) -> None:
        registry.link.break_(Fault.STALL)
        await _until(_looking)
        for _turn in range(50):  # what requests would do meanwhile
            await asyncio.sleep(0.001)
            turns.append(_looking())
        assert not adopted

    _follow(registry, story)
    # Healed only after the test: all of this happened during one look that had no answer.
    assert turns == [True] * 50
    assert _looking()
