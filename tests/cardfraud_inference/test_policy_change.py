"""A policy that changes while the server runs: no restart, and every decision names its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cardfraud.adapters.bundles import publish_policy
from cardfraud.adapters.pointers import update_tracks
from cardfraud.contracts.policy import Policy, Rule, Thresholds
from cardfraud.contracts.tracks import Track, Tracks
from tests.cardfraud_inference.clients import instance, metric, predicted
from tests.cardfraud_inference.conftest import Serving
from tests.cardfraud_inference.waiting import until
from tests.support import servers
from tests.support.graphs import tiny_policy
from tests.support.servers import Address


@dataclass(frozen=True)
class Followed:
    """A server that looks at the tracks of a model of its own name."""

    address: Address
    serving: Serving

    def deploy(self, policy: Policy) -> str:
        """Publish a policy and let the stable track name it; return its digest."""
        objects = self.serving.objects
        digest = publish_policy(objects, "fraud", policy)
        self.point_to(digest)
        return digest

    def point_to(self, digest: str) -> None:
        """Let the stable track name a policy."""
        track = Track(bundle=self.serving.bundle, policy=digest, weight=100)
        tracks = Tracks(model="fraud", tracks={"stable": track})
        update_tracks(self.serving.objects, "fraud", lambda _: tracks)

    def decides_with(self) -> str:
        """Ask, and return the policy that the answer names."""
        (answer,) = predicted(self.address, instance(amount=10))
        return str(answer["policy"]["version"])


@pytest.fixture(scope="module")
def followed(serving: Serving) -> Iterator[Followed]:
    """Start it, ready."""
    address = Address()
    part = servers.transformer(
        address,
        serving.storage,
        bundle=serving.bundle,
        policy=serving.policy,
        predictor_at=None,
        name="follower",
        policy_refresh_s="0.2",
    )
    serving.supervisor.run(part)
    yield Followed(address, serving)
    serving.supervisor.stop("follower")


def test_a_policy_changes_without_a_restart(followed: Followed, serving: Serving) -> None:
    """The next decisions are the new policy's and name it; before, they were the old one's."""
    (before,) = predicted(followed.address, instance(amount=10))
    assert before["policy"]["version"] == serving.policy
    assert before["decision"] == "approve"
    strict = tiny_policy(thresholds=Thresholds(review=0.0, decline=0.0))
    digest = followed.deploy(strict)
    until(lambda: followed.decides_with() == digest)
    (after,) = predicted(followed.address, instance(amount=10))
    assert after["decision"] == "decline"
    assert after["probability"] == before["probability"]
    followed.point_to(serving.policy)
    until(lambda: followed.decides_with() == serving.policy)


def test_a_policy_that_cannot_be_applied_changes_nothing(
    followed: Followed, serving: Serving
) -> None:
    """A rule over a value that there is not: refused, counted, and the old policy goes on."""
    rule = Rule(name="odd", field="no_such_value", op="gt", value=1, decision="review", reason="x")
    errors = 'cardfraud_policy_refresh_errors_total{kind="InvalidSetting"}'
    before = metric(followed.address, errors)
    followed.deploy(tiny_policy(rules=(rule,)))
    until(lambda: metric(followed.address, errors) > before)
    assert followed.decides_with() == serving.policy
    good = followed.deploy(tiny_policy(thresholds=Thresholds(review=0.1, decline=0.9)))
    until(lambda: followed.decides_with() == good)
