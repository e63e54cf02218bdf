"""The gate as it works: candidates in a real object store, judged by the step, then published."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.adapters.candidates import candidate_key
from cardfraud.adapters.documents import encode
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.pointers import alias_digest, move_alias
from cardfraud.adapters.registry import Tracking
from cardfraud.contracts.digests import sha256_hex
from cardfraud.contracts.policy import Decision, GateLimits, Policy, Rule, Thresholds
from cardfraud.errors import Conflict, DataRejected, InvalidFrame, InvalidSetting
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.steps.evaluate.config import EvaluateConfig, PolicyDraft
from cardfraud.steps.evaluate.step import EvaluateResult
from cardfraud.steps.evaluate.step import run as evaluate
from cardfraud.steps.publish.config import PublishConfig
from cardfraud.steps.publish.step import run as publish
from cardfraud_pipelines.local import Endpoints
from tests.support.bundles import bundle_files
from tests.support.candidates import JudgedRows, leave_candidate
from tests.support.graphs import logistic
from tests.support.onnx_graphs import slowed
from tests.support.stores import object_store

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

Compared = Literal["champion", "challenger", "none"]
ROWS, CARDS, SHARE = 6_000, 900, 0.05
THRESHOLDS = Thresholds(review=0.2, decline=0.95)
SLOWEST_MS = 25.0
PRIOR = float(np.log(SHARE / (1 - SHARE)))
# Columns that carry made-up signals: two that each tell something, one that misses small frauds,
# one that knows the answer, and one that names the segment; and one whose default is 91 days.
STRONG, OTHER, BLIND, LEAK, SOUTH, LAST = (
    "amount_zscore", "spending_velocity", "amount_over_avg", "transaction_frequency", "is_night",
    "days_since_last",
)  # fmt: skip


def _rows(share: float = SHARE) -> JudgedRows:
    """A week of 900 cards, a fifth of them in the south; half the frauds are of small amounts."""
    random = np.random.default_rng(11)
    labels = random.random(ROWS) < share
    small = random.random(ROWS) < 0.5
    cards = random.integers(0, CARDS, ROWS)
    south = cards % 5 == 0
    strong = random.normal(size=ROWS) + 2.2 * labels
    return JudgedRows(
        labels=labels,
        amounts=np.where(small, 6.0, 300.0) * random.lognormal(0, 0.2, ROWS),
        days=np.sort(random.integers(0, 7, ROWS)),
        cards=cards,
        segments=np.where(south, "south", "north").astype(object),
        features={
            STRONG: strong,
            OTHER: random.normal(size=ROWS) + 1.6 * labels,
            BLIND: np.where(small, random.normal(size=ROWS), strong),
            LEAK: labels + 0.05 * random.normal(size=ROWS),
            SOUTH: south.astype(np.float64),
        },
    )


def _on_cards(number: int) -> JudgedRows:
    """The same week, all frauds on so many cards."""
    rows = _rows()
    cards = np.where(rows.labels, CARDS + np.arange(ROWS) % number, rows.cards)
    return replace(rows, cards=cards)


def _unseen_cards() -> JudgedRows:
    """The same week, and of the frauds' cards no earlier transaction is known."""
    rows = _rows()
    last = np.where(rows.labels, np.nan, 1.0)
    return replace(rows, features={**rows.features, LAST: last})


class Doubled(JudgedRows):
    """Rows of which two are one transaction."""

    def frame(self) -> pl.DataFrame:
        """The rows, the second with the first one's identifier."""
        frame = super().frame()
        names = frame["transaction_id"].to_list()
        return frame.with_columns(transaction_id=pl.Series([names[0], *names[:1], *names[2:]]))


def _graph(**strengths: float) -> bytes:
    """Calibrated by construction: normal signals that lie so much higher for frauds."""
    columns = {"strong": STRONG, "other": OTHER, "blind": BLIND}
    weights = {columns[name]: strength for name, strength in strengths.items()}
    return logistic(weights, bias=PRIOR - sum(s**2 for s in strengths.values()) / 2)


def _unfair() -> bytes:
    """As good as the better one, but it holds living in the south against people."""
    return logistic({STRONG: 2.2, OTHER: 1.6, SOUTH: 1.5}, bias=PRIOR - (2.2**2 + 1.6**2) / 2)


def _overconfident() -> bytes:
    """Odds four times too high, which the mean over all rows hardly shows."""
    return logistic({STRONG: 2.2, OTHER: 1.6}, bias=PRIOR - (2.2**2 + 1.6**2) / 2 + np.log(4))


@dataclass(frozen=True)
class Case:
    """One candidate, what it meets, and the one check that must stop it."""

    graph: Callable[[], bytes]
    failing: str | None
    champion: bool = True
    rows: JudgedRows = field(default_factory=_rows)
    limits: dict[str, Any] = field(default_factory=dict)
    thresholds: Thresholds = THRESHOLDS
    rules: tuple[Rule, ...] = ()
    latency_samples: int = 0


def _better() -> bytes:
    return _graph(strong=2.2, other=1.6)


def _everything(**changes: Any) -> Rule:
    """A rule that declines whatever comes."""
    rule = {"name": "all", "field": "amount", "op": "ge", "value": 0, "reason": "it comes"}
    return Rule.model_validate(rule | {"decision": Decision.DECLINE} | changes)


def _knowing() -> Rule:
    """A rule that finds every fraud, so that the decisions pay whatever the scores are worth."""
    return _everything(field=LEAK, value=0.5, decision=Decision.REVIEW)


CASES = {
    "better": Case(_better, None, latency_samples=50),
    "worse": Case(lambda: _graph(blind=2.2), "champion"),
    "costlier": Case(_better, "cost", thresholds=Thresholds(review=0.97, decline=0.97)),
    "costlier-by-a-rule": Case(_better, "cost", rules=(_everything(),)),
    "worse-by-limits-of-its-own": Case(
        lambda: _graph(blind=2.2), "limits",
        limits={"max_average_precision_drop": 1.0, "max_cost_increase": 1e9},
    ),
    "first-that-stops-nothing": Case(
        _better, "cost", champion=False, thresholds=Thresholds(review=1.0, decline=1.0)
    ),
    "first-that-stops-what-is-missing": Case(
        _better, "cost", champion=False, thresholds=Thresholds(review=1.0, decline=1.0),
        rules=(_everything(field=LAST, value=60),), rows=_unseen_cards(),
    ),
    "first-that-declines-everything": Case(
        _better, "cost", champion=False, thresholds=Thresholds(review=0.0, decline=0.0),
        limits={"max_flagged_calibration_gap": 1.0},
    ),
    "constant": Case(
        _graph, "distinct_scores", champion=False, limits={"min_average_precision": 0.0},
        rules=(_knowing(),),
    ),
    "blunt": Case(
        lambda: _graph(other=1.6), "average_precision", champion=False,
        limits={"min_average_precision": 0.7}, rules=(_knowing(),),
    ),
    "too-good": Case(lambda: logistic({LEAK: 30.0}, bias=-15.0), "too_good"),
    "overconfident": Case(lambda: logistic({STRONG: 2.2, OTHER: 1.6}, bias=-1.0), "calibration",
                          champion=False, limits={"max_flagged_calibration_gap": 1.0},
                          thresholds=Thresholds(review=0.2, decline=1.0)),
    "overconfident-where-it-counts": Case(_overconfident, "flagged_calibration", champion=False),
    "unfair": Case(_unfair, "fairness"),
    "unfair-by-a-rule-that-declines": Case(
        lambda: _graph(strong=2.2), "fairness_at_decline",
        rules=(_everything(field=STRONG, op="gt", value=2.0,
                           also=[{"field": SOUTH, "op": "ge", "value": 1}]),),
        limits={"max_cost_increase": 10.0},
    ),
    "too-few-frauds": Case(_better, "positives", champion=False, rows=_rows(share=0.006),
                           limits={"max_flagged_calibration_gap": 1.0}),
    "frauds-on-few-cards": Case(_better, "fraud_cards", rows=_on_cards(10),
                                limits={"max_cost_increase": 10.0}),
    "frauds-on-one-card": Case(_better, "resamples", rows=_on_cards(1),
                               limits={"max_cost_increase": 10.0, "min_fraud_cards": 1}),
    "too-slow": Case(lambda: slowed(_better()), "latency", latency_samples=3),
    "no-segments": Case(
        _better, "fairness", rows=replace(_rows(), segments=None),
        limits={"allow_unassessed_fairness": False},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tracked: Endpoints) -> ObjectStore:
    """Return a store on a bucket of this module's own."""
    return object_store(tracked)


def _crown(store: ObjectStore, model: str) -> str:
    """Let a model that knows the strong signal alone serve, under the usual thresholds."""
    files = bundle_files(_graph(strong=2.2))
    digest = publish_bundle(store, files, model, "tiny").bundle_digest
    move_alias(store, "models", model, "champion", digest, expected=None)
    policy = publish_policy(store, model, Policy(thresholds=THRESHOLDS))
    move_alias(store, "policies", model, "champion", policy, expected=None)
    return digest


def _evaluate(
    store: ObjectStore, case: Case, run_id: str, compare_with: Compared = "champion"
) -> EvaluateResult:
    limits = {"bootstrap_samples": 200, "max_latency_p99_ms": SLOWEST_MS, **case.limits}
    draft = PolicyDraft(
        thresholds=case.thresholds, rules=case.rules, gate=GateLimits.model_validate(limits)
    )
    return evaluate(
        EvaluateConfig(
            run_id=run_id,
            compare_with=compare_with,
            allow_looser_limits=case.failing != "limits",
            policy=draft,
            latency_samples=case.latency_samples,
            importance_rows=0,
        ),
        store,
    )


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.failing])
def test_each_bad_candidate_fails_its_own_check_alone_and_is_not_published(
    store: ObjectStore, tracking: Tracking, name: str
) -> None:
    """The one check that must stop it does, no other does, and publication gives its sentence."""
    case = CASES[name]
    champion = _crown(store, name) if case.champion else None
    before = set(store.keys(f"models/{name}/"))
    candidate = leave_candidate(store, case.graph(), case.rows, model=name)
    result = _evaluate(store, case, candidate.run_id)
    failed = [check for check in result.metrics.verdict.checks if not check.passed]
    assert [check.name for check in failed] == [case.failing], result.evaluation.reasons
    with pytest.raises(DataRejected) as refused:
        publish(PublishConfig(run_id=candidate.run_id), store, tracking)
    assert refused.value.failures == [failed[0].sentence]
    assert set(store.keys(f"models/{name}/")) == before
    assert alias_digest(store, "models", name, "champion") == champion


def test_a_better_candidate_passes_and_takes_over(store: ObjectStore, tracking: Tracking) -> None:
    """The control: with the same rows, limits and champion, nothing stops a better model."""
    case = CASES["better"]
    champion = _crown(store, "better")
    graph = case.graph()
    with tracking.run("better") as tracked:
        logged = tracked.onnx_model(graph, columns=len(FEATURE_NAMES))
    candidate = leave_candidate(
        store, graph, case.rows, model="better", run_id=tracked.run_id, tracked_model=logged
    )
    result = _evaluate(store, case, candidate.run_id)
    assert result.evaluation.passed, result.evaluation.reasons
    assert result.evaluation.compared_bundle == champion
    published = publish(PublishConfig(run_id=candidate.run_id), store, tracking)
    assert alias_digest(store, "models", "better", "champion") == (published.manifest.bundle_digest)
    assert published.manifest.bundle_digest != champion


@pytest.mark.parametrize("names", [FEATURE_NAMES[::-1], (OTHER, "amount", STRONG)])
def test_a_model_is_judged_on_the_inputs_that_its_signature_names(
    store: ObjectStore, names: tuple[str, ...]
) -> None:
    """In another order, or of some features only, as a server reads them: the same figures."""
    weights, bias = {STRONG: 2.2, OTHER: 1.6}, PRIOR - (2.2**2 + 1.6**2) / 2
    found = []
    for read in (FEATURE_NAMES, names):
        graph = logistic(weights, bias=bias, names=read)
        candidate = leave_candidate(store, graph, _rows(), model="ordered", names=read)
        result = _evaluate(store, Case(_better, None), candidate.run_id, "none")
        assert result.evaluation.passed, result.evaluation.reasons
        found.append(result.metrics.candidate.classification.average_precision)
    assert found[1] == pytest.approx(found[0], abs=1e-6)


@pytest.mark.parametrize("compare_with", ["none", "challenger"])
def test_a_champion_is_deposed_only_by_who_was_compared_with_it(
    store: ObjectStore, tracking: Tracking, compare_with: Compared
) -> None:
    """A weak candidate that passes alone, or against as weak a challenger, does not take over.

    Nothing is written, not even the challenger's alias, which would have moved first.
    """
    model = f"deposed-{compare_with}"
    champion = _crown(store, model)
    other = publish_bundle(store, bundle_files(_graph(blind=2.2)), model, "tiny").bundle_digest
    move_alias(store, "models", model, "challenger", other, expected=None)
    policy = publish_policy(store, model, Policy(thresholds=THRESHOLDS))
    move_alias(store, "policies", model, "challenger", policy, expected=None)
    weak = Case(lambda: _graph(blind=2.2), None)
    candidate = leave_candidate(store, weak.graph(), weak.rows, model=model)
    assert not _evaluate(store, weak, candidate.run_id).evaluation.passed
    assert _evaluate(store, weak, candidate.run_id, compare_with).evaluation.passed
    before = set(store.keys(f"models/{model}/"))
    with pytest.raises(Conflict, match=champion) as refused:
        publish(PublishConfig(run_id=candidate.run_id), store, tracking)
    assert refused.value.hint == "evaluate it with compare_with champion"
    assert set(store.keys(f"models/{model}/")) == before
    assert alias_digest(store, "models", model, "champion") == champion
    assert alias_digest(store, "models", model, "challenger") == other


def test_a_transaction_that_stands_twice_is_refused(store: ObjectStore) -> None:
    """A row that is repeated would count as evidence again."""
    rows = _rows()
    doubled = Doubled(**{one.name: getattr(rows, one.name) for one in fields(rows)})
    candidate = leave_candidate(store, _better(), doubled, model="doubled")
    with pytest.raises(InvalidFrame, match="2 rows share their transaction_id"):
        _evaluate(store, Case(_better, None), candidate.run_id)


def test_a_rule_over_no_value_is_refused_at_evaluation_and_at_publication(
    store: ObjectStore, tracking: Tracking
) -> None:
    """A server would not start with it; a policy that was judged before it was known is refused.

    A shadow rule is evaluated in service, too, so it must be over something as well.
    """
    ghost = (_everything(field="no_such_value", mode="shadow"),)
    case = Case(_better, None, rules=ghost)
    candidate = leave_candidate(store, case.graph(), case.rows, model="ghost")
    with pytest.raises(InvalidSetting, match=r"rule all.*no_such_value"):
        _evaluate(store, case, candidate.run_id)
    judged = _evaluate(store, replace(case, rules=()), candidate.run_id)
    policy = judged.policy.model_copy(update={"rules": ghost}).encode()
    store.put(candidate_key(candidate.run_id, "policy.json"), policy)
    files = {**judged.evaluation.files, "policy.json": sha256_hex(policy)}
    forged = judged.evaluation.model_copy(update={"files": files})
    store.put(candidate_key(candidate.run_id, "evaluation.json"), encode(forged))
    with pytest.raises(InvalidSetting, match=r"rule all.*no_such_value"):
        publish(PublishConfig(run_id=candidate.run_id), store, tracking)
    assert list(store.keys("models/ghost/")) == []


def test_every_check_that_can_fail_is_failed_by_somebody() -> None:
    """A check that no bad candidate meets would be one that nobody has seen work."""
    from cardfraud.evaluation.gate import judge
    from cardfraud.evaluation.held_out import HeldOut

    rows = _rows()
    held_out = HeldOut(
        labels=rows.labels,
        amounts=rows.amounts,
        days=rows.days,
        cards=rows.cards.astype(np.str_),
        segments=rows.segments,
        features=np.zeros((ROWS, 0), dtype=np.float32),
    )
    scores: NDArray[np.float32] = np.full(ROWS, 0.5, dtype=np.float32)
    verdict = judge(held_out, scores, Policy(thresholds=THRESHOLDS))
    assert {check.name for check in verdict.checks} == {
        case.failing for case in CASES.values() if case.failing
    }
