"""The step that publishes, killed before each alias that it moves: a real process each time."""

import os
from dataclasses import dataclass

import numpy as np
import pytest

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.pointers import Kind, move_alias, paired_policy, read_alias
from cardfraud.adapters.registry import Tracking
from cardfraud.contracts import keys
from cardfraud.contracts.policy import GateLimits, Policy, Thresholds
from cardfraud.contracts.tracks import AliasName
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.steps.deploy.config import DeployConfig
from cardfraud.steps.deploy.policy_change import apply_policy
from cardfraud.steps.deploy.step import run as deploy
from cardfraud.steps.evaluate.config import EvaluateConfig, PolicyDraft
from cardfraud.steps.evaluate.step import EvaluateResult
from cardfraud.steps.evaluate.step import run as evaluate
from cardfraud.steps.publish.config import PublishConfig
from cardfraud.steps.publish.step import run as publish
from cardfraud_pipelines.local import Endpoints
from tests.support.bundles import bundle_files
from tests.support.candidates import JudgedRows, leave_candidate
from tests.support.graphs import logistic
from tests.support.publication import stopped_before
from tests.support.stores import object_store

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

BOTH: tuple[AliasName, ...] = ("challenger", "champion")
SIGNAL, SHARE = "amount_zscore", 0.1
OLD_POLICY = Policy(thresholds=Thresholds(review=0.05, decline=0.99))
NEW_THRESHOLDS = Thresholds(review=0.3, decline=0.9)
GRAPH = logistic({SIGNAL: 3.0}, bias=float(np.log(SHARE / (1 - SHARE)) - 3.0**2 / 2))
LIMITS = GateLimits(bootstrap_samples=100, max_cost_increase=10.0)


@dataclass(frozen=True)
class Pair:
    """A bundle and the policy that was chosen on its scores, by their digests."""

    bundle: str
    policy: str


@dataclass(frozen=True)
class Kill:
    """Where a publication ends.

    Attributes:
        kind: of the alias that it does not come to write.
        alias: name of that alias.
        new: the aliases under which the new pair is found then.
        paired: whether the earlier aliases say what they go with.
    """

    kind: Kind
    alias: AliasName
    new: tuple[AliasName, ...]
    paired: bool = True

    @property
    def model(self) -> str:
        """A model of its own, and so a champion of its own."""
        return f"{self.kind}-{self.alias}-{'paired' if self.paired else 'plain'}"

    @property
    def key(self) -> str:
        """Of the object that is not written."""
        key_of = keys.bundle_alias if self.kind == "models" else keys.policy_alias
        return key_of(self.model, self.alias)


@pytest.fixture(scope="module")
def store(tracked: Endpoints) -> ObjectStore:
    """Return a store on a bucket of this module's own."""
    return object_store(tracked)


@pytest.fixture(scope="module")
def logged(tracking: Tracking) -> str:
    """Log the candidates' graph in MLflow; return its identifier there."""
    with tracking.run("killed") as run:
        return run.onnx_model(GRAPH, columns=len(FEATURE_NAMES))


@pytest.fixture(scope="module")
def environment(tracked: Endpoints) -> dict[str, str]:
    """Return the variables that lead a process to the servers."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CARDFRAUD_"))}
    return clean | tracked.settings_environment()


def _rows() -> JudgedRows:
    """Five days of 300 cards; one signal that lies three deviations higher for frauds."""
    random = np.random.default_rng(5)
    labels = random.random(2_000) < SHARE
    return JudgedRows(
        labels=labels,
        amounts=random.uniform(10.0, 90.0, len(labels)),
        days=np.sort(random.integers(0, 5, len(labels))),
        cards=random.integers(0, 300, len(labels)),
        segments=None,
        features={SIGNAL: random.normal(size=len(labels)) + 3.0 * labels},
    )


def _crown(store: ObjectStore, model: str, *, paired: bool = True) -> Pair:
    """Let a model that knows nothing be champion and challenger, with a policy of its own."""
    files = bundle_files(logistic({}, bias=-2.0))
    bundle = publish_bundle(store, files, model, "tiny").bundle_digest
    policy = publish_policy(store, model, OLD_POLICY)
    halves = (policy, bundle) if paired else (None, None)
    for alias in BOTH:
        move_alias(store, "models", model, alias, bundle, expected=None, paired_with=halves[0])
        move_alias(store, "policies", model, alias, policy, expected=None, paired_with=halves[1])
    return Pair(bundle, policy)


def _candidate(store: ObjectStore, model: str, logged: str) -> EvaluateResult:
    """Leave a candidate and judge it."""
    left = leave_candidate(store, GRAPH, _rows(), model=model, tracked_model=logged)
    draft = PolicyDraft(thresholds=NEW_THRESHOLDS, gate=LIMITS)
    settings = EvaluateConfig(
        run_id=left.run_id,
        policy=draft,
        allow_looser_limits=True,
        latency_samples=0,
        importance_rows=0,
    )
    judged = evaluate(settings, store)
    assert judged.evaluation.passed, judged.evaluation.reasons
    return judged


def _named(store: ObjectStore, model: str, alias: AliasName) -> Pair:
    bundle = read_alias(store, "models", model, alias).digest
    policy = paired_policy(store, model, alias, bundle)
    assert policy is not None
    return Pair(bundle, policy)


def _deployed(store: ObjectStore, model: str) -> Pair:
    """Deploy the champion; what servers are told then."""
    stable = deploy(DeployConfig(model=model), store).tracks.tracks["stable"]
    return Pair(stable.bundle, stable.policy)


KILLS = [
    Kill("models", "challenger", new=()),
    Kill("policies", "challenger", new=("challenger",)),
    Kill("models", "champion", new=("challenger",)),
    Kill("policies", "champion", new=("challenger", "champion")),
    Kill("models", "champion", new=("challenger",), paired=False),
    Kill("policies", "champion", new=("challenger", "champion"), paired=False),
]


@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: kill.model)
def test_a_killed_publication_leaves_the_earlier_pair_or_the_new_one(
    store: ObjectStore, tracking: Tracking, logged: str, environment: dict[str, str], kill: Kill
) -> None:
    """SIGKILL before any of the four aliases: no model is deployed with another one's policy.

    Also where the earlier aliases do not say what they go with. Publishing again completes it.
    """
    model = kill.model
    old = _crown(store, model, paired=kill.paired)
    judged = _candidate(store, model, logged)
    with stopped_before(kill.key, judged.evaluation.run_id, environment):
        pass

    (bundle,) = {name.split("/")[2] for name in store.keys(f"models/{model}/")} - {old.bundle}
    published = Pair(bundle, judged.evaluation.policy)
    assert published.policy != old.policy
    for name in BOTH:
        assert _named(store, model, name) == (published if name in kill.new else old), name
    assert _deployed(store, model) == (published if "champion" in kill.new else old)

    publish(PublishConfig(run_id=judged.evaluation.run_id), store, tracking)
    for name in BOTH:
        assert read_alias(store, "models", model, name).digest == published.bundle
        assert read_alias(store, "policies", model, name).digest == published.policy
    assert _deployed(store, model) == published


def test_the_next_candidate_meets_the_champion_at_its_own_policy(
    store: ObjectStore, logged: str, environment: dict[str, str]
) -> None:
    """Before the publication is completed the new champion is priced at the policy it came with."""
    old = _crown(store, "priced")
    judged = _candidate(store, "priced", logged)
    with stopped_before(
        keys.policy_alias("priced", "champion"), judged.evaluation.run_id, environment
    ):
        pass
    assert read_alias(store, "policies", "priced", "champion").digest == old.policy
    again = _candidate(store, "priced", logged)
    assert again.metrics.champion_digest not in {None, old.bundle}
    assert again.metrics.champion_policy_digest == judged.evaluation.policy


def test_a_policy_for_what_is_served_is_none_for_the_champion_that_waits(
    store: ObjectStore, logged: str, tracking: Tracking
) -> None:
    """A policy applied while a new champion is not deployed yet stays with the bundle served."""
    old = _crown(store, "waits")
    assert _deployed(store, "waits") == old
    judged = _candidate(store, "waits", logged)
    published = publish(PublishConfig(run_id=judged.evaluation.run_id), store, tracking)
    stricter = OLD_POLICY.model_copy(update={"alert_budget_per_day": 7})
    change = apply_policy(store, "waits", stricter)
    assert change.bundle == old.bundle
    new = Pair(published.manifest.bundle_digest, published.policy)
    assert _deployed(store, "waits") == new
    changed = apply_policy(store, "waits", stricter.model_copy(update={"rules": ()}))
    assert _deployed(store, "waits") == Pair(new.bundle, changed.after)
