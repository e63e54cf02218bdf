import os
import subprocess
import sys

import pytest

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.pointers import move_alias, read_tracks, write_tracks
from cardfraud.contracts import keys
from cardfraud.contracts.policy import Decision, Policy, Rule, Thresholds
from cardfraud.contracts.tracks import Track, Tracks
from cardfraud.errors import (
    Conflict,
    IntegrityError,
    InvalidSetting,
    NotFound,
    Unavailable,
)
from cardfraud.steps.deploy.config import DeployConfig
from cardfraud.steps.deploy.step import run
from cardfraud_pipelines.local import Endpoints
from tests.support.bundles import bundle_files, signature
from tests.support.stores import careless, object_store


@pytest.fixture
def store(endpoints: Endpoints) -> ObjectStore:
    """Return a store on a fresh bucket."""
    return object_store(endpoints)


@pytest.fixture
def published(store: ObjectStore) -> tuple[str, str]:
    """Publish a champion with its policy; return both digests."""
    bundle = publish_bundle(store, bundle_files(), "fraud", "x").bundle_digest
    policy = publish_policy(store, "fraud", Policy(thresholds=Thresholds(review=0.2, decline=0.9)))
    move_alias(store, "models", "fraud", "champion", bundle, expected=None)
    move_alias(store, "policies", "fraud", "champion", policy, expected=None)
    return bundle, policy


def _with(store: ObjectStore, published: tuple[str, str], **weights: int) -> None:
    bundle, policy = published
    tracks = {
        name: Track(bundle=bundle, policy=policy, weight=weight) for name, weight in weights.items()
    }
    write_tracks(store, Tracks.model_validate({"model": "fraud", "tracks": tracks}), etag=None)


def test_the_champion_becomes_the_stable_track(
    store: ObjectStore, published: tuple[str, str]
) -> None:
    """Without more words the champion and its policy get all traffic."""
    run(DeployConfig(), store)
    assert read_tracks(store, "fraud").tracks.tracks == {
        "stable": Track(bundle=published[0], policy=published[1], weight=100)
    }


def test_deploying_again_writes_nothing(store: ObjectStore, published: tuple[str, str]) -> None:
    """The same desired state is left as it is."""
    run(DeployConfig(), store)
    before = read_tracks(store, "fraud").etag
    run(DeployConfig(), store)
    assert read_tracks(store, "fraud").etag == before


def test_a_named_bundle_is_the_way_back(store: ObjectStore, published: tuple[str, str]) -> None:
    """An earlier bundle can be deployed by its digest whatever the alias says."""
    earlier = publish_bundle(store, bundle_files(b"earlier"), "fraud", "x").bundle_digest
    run(DeployConfig(), store)
    run(DeployConfig(bundle=earlier), store)
    assert read_tracks(store, "fraud").tracks.tracks["stable"].bundle == earlier


def test_a_bundle_is_not_deployed_with_the_policy_of_another(
    store: ObjectStore, published: tuple[str, str]
) -> None:
    """Where the alias has no policy for the bundle, one must be named: none is lent to it."""
    bundle, policy = published
    move_alias(store, "policies", "fraud", "champion", policy, expected=policy, paired_with=bundle)
    earlier = publish_bundle(store, bundle_files(b"earlier"), "fraud", "x").bundle_digest
    with pytest.raises(NotFound, match=earlier) as caught:
        run(DeployConfig(bundle=earlier), store)
    assert caught.value.hint == "name one with --policy"
    assert list(store.keys("tracks/")) == []
    run(DeployConfig(bundle=earlier, policy=policy), store)
    stable = read_tracks(store, "fraud").tracks.tracks["stable"]
    assert (stable.bundle, stable.policy) == (earlier, policy)


def test_a_shadow_stays_and_a_canary_with_traffic_is_not_overrun(
    store: ObjectStore, published: tuple[str, str]
) -> None:
    """A rollout under way is a conflict; a shadow, which answers nobody, is kept."""
    _with(store, published, stable=90, canary=10, shadow=0)
    with pytest.raises(Conflict, match="canary has 10 %"):
        run(DeployConfig(), store)
    store.delete(keys.tracks("fraud"))
    _with(store, published, stable=100, shadow=0)
    run(DeployConfig(), store)
    assert set(read_tracks(store, "fraud").tracks.tracks) == {"stable", "shadow"}


def test_a_damaged_bundle_is_not_deployed(store: ObjectStore, published: tuple[str, str]) -> None:
    """What a server would refuse never becomes the desired state."""
    store.put(keys.bundle_prefix("fraud", published[0]) + "model.onnx", b"graps")
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        run(DeployConfig(), store)
    assert list(store.keys("tracks/")) == []


def test_a_policy_with_a_rule_over_no_value_is_not_deployed(
    store: ObjectStore, published: tuple[str, str]
) -> None:
    """Servers would refuse to start with it."""
    rule = Rule(
        name="ghost",
        field="no_such_value",
        op="ge",
        value=0,
        decision=Decision.REVIEW,
        reason="it is there",
    )
    policy = Policy(thresholds=Thresholds(review=0.2, decline=0.9), rules=(rule,))
    digest = publish_policy(store, "fraud", policy)
    with pytest.raises(InvalidSetting, match=r"rule ghost.*no_such_value"):
        run(DeployConfig(policy=digest), store)
    assert list(store.keys("tracks/")) == []


def test_a_bundle_on_other_features_is_not_deployed(
    store: ObjectStore, published: tuple[str, str]
) -> None:
    """Its servers would refuse to start: they compute other features."""
    other = signature().model_copy(update={"feature_set_digest": "another"})
    files = bundle_files() | {"signature.json": other.model_dump_json().encode()}
    digest = publish_bundle(store, files, "fraud", "x").bundle_digest
    with pytest.raises(IntegrityError, match=r"feature_set_digest.*another"):
        run(DeployConfig(bundle=digest, policy=published[1]), store)
    assert list(store.keys("tracks/")) == []


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_store_that_ignores_conditions_is_not_deployed_to(
    store: ObjectStore, published: tuple[str, str], header: str
) -> None:
    """Where two writers could overwrite each other unseen, the tracks are not written."""
    with pytest.raises(Unavailable, match=f"ignores {header}"):
        run(DeployConfig(), careless(store, header))
    assert list(store.keys("tracks/")) == []


def test_with_nothing_published_there_is_nothing_to_deploy(store: ObjectStore) -> None:
    """The error says that something must be published first."""
    with pytest.raises(NotFound, match="publish one first"):
        run(DeployConfig(), store)


def _command(
    endpoints: Endpoints, *arguments: str, **changes: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "CARDFRAUD_S3_BUCKET": endpoints.bucket,
        "CARDFRAUD_S3_ENDPOINT_URL": endpoints.s3_url,
        "CARDFRAUD_S3_ACCESS_KEY_ID": endpoints.s3_access_key,
        "CARDFRAUD_S3_SECRET_ACCESS_KEY": endpoints.s3_secret_key,
        **changes,
    }
    return subprocess.run(
        [sys.executable, "-m", "cardfraud.steps.deploy", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_prints_the_result_as_json(
    endpoints: Endpoints, published: tuple[str, str]
) -> None:
    """The module run as a program deploys and prints the tracks."""
    done = _command(endpoints, "--alias", "champion")
    assert done.returncode == 0, done.stderr
    assert f'"bundle": "{published[0]}"' in done.stdout


@pytest.mark.parametrize(
    ("arguments", "changes", "named"),
    [
        (("--alias", "king"), {}, "alias"),
        (("--bundle", "v1"), {}, "bundle"),
        (("--model", "other"), {}, "other/champion"),
        ((), {"CARDFRAUD_S3_ENDPOINT_URL": "http://127.0.0.1:9"}, "is the endpoint up"),
        ((), {"CARDFRAUD_S3_ATTEMPTS": "many"}, "attempts"),
    ],
)
def test_the_command_names_what_is_wrong_and_exits_with_1(
    endpoints: Endpoints,
    published: tuple[str, str],
    arguments: tuple[str, ...],
    changes: dict[str, str],
    named: str,
) -> None:
    """A wrong option, a missing alias and a store that is down each give one clear line."""
    done = _command(endpoints, *arguments, **changes)
    assert done.returncode == 1, done.stdout
    assert named in done.stderr
    assert "Traceback" not in done.stderr
