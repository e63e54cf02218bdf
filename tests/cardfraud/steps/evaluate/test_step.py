import json
import re
from typing import Any

import pytest

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.adapters.candidates import candidate_key, read_candidate_file
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.pointers import alias_digest, move_alias
from cardfraud.adapters.registry import Tracking
from cardfraud.contracts.bundle import REQUIRED_FILES
from cardfraud.contracts.candidate import Candidate
from cardfraud.contracts.policy import GateLimits, Policy, Thresholds
from cardfraud.errors import IntegrityError, InvalidSetting, NotFound
from cardfraud.steps.evaluate.config import EvaluateConfig, PolicyDraft
from cardfraud.steps.evaluate.step import EvaluateResult
from cardfraud.steps.evaluate.step import run as evaluate
from cardfraud.steps.train.step import run as train
from cardfraud_pipelines.local import Endpoints
from tests.support.bundles import bundle_files
from tests.support.cards import cards
from tests.support.stores import object_store
from tests.support.training import config

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TABLES = cards(segments=True)
STUMP: dict[str, Any] = {"trees": 1, "max_depth": 1, "min_samples_split": 2}


@pytest.fixture(scope="module")
def store(tracked: Endpoints) -> ObjectStore:
    """Return a store with 42 days of transactions and labels."""
    store = object_store(tracked)
    TABLES.store(store)
    return store


@pytest.fixture(scope="module")
def candidates(store: ObjectStore, tracking: Tracking) -> dict[str, Candidate]:
    """Train a good, a worse, a nearly constant and a leaking candidate."""
    configs = {
        "better": config("random_forest"),
        "worse": config("random_forest", parameters={"trees": 10, "max_depth": 2}),
        "constant": config("random_forest", parameters=STUMP),
        "leaky": config("random_forest", split="leaky_stratified"),
    }
    return {name: train(c, store, TABLES, tracking).candidate for name, c in configs.items()}


def _judge(store: ObjectStore, candidate: Candidate, **changes: Any) -> EvaluateResult:
    given = {"run_id": candidate.run_id, "latency_samples": 200, "importance_rows": 0, **changes}
    return evaluate(EvaluateConfig.model_validate(given), store)


def _crown(store: ObjectStore, candidate: Candidate, model: str, *, policy: bool = True) -> str:
    """Publish a candidate as the champion of ``model``, with its policy, whatever it is worth."""
    judged = _judge(store, candidate)
    files = {file: store.get(candidate_key(candidate.run_id, file)) for file in REQUIRED_FILES}
    digest = publish_bundle(store, files, model, candidate.algorithm).bundle_digest
    move_alias(store, "models", model, "champion", digest, expected=None)
    if policy:
        named = publish_policy(store, model, judged.policy)
        move_alias(store, "policies", model, "champion", named, expected=None)
    return digest


def _renamed(store: ObjectStore, candidate: Candidate, model: str) -> Candidate:
    """Let a candidate be one of another model name, so that each test has its own champion."""
    renamed = candidate.model_copy(update={"model": model})
    store.put(candidate_key(candidate.run_id, "candidate.json"), renamed.model_dump_json().encode())
    return renamed


def _failed(result: EvaluateResult) -> set[str]:
    return {check.name for check in result.metrics.verdict.checks if not check.passed}


def test_a_first_model_is_judged_by_itself(
    store: ObjectStore, candidates: dict[str, Candidate]
) -> None:
    """A good candidate passes where there is no champion, and the verdict says so."""
    result = _judge(store, _renamed(store, candidates["better"], "first"))
    assert result.evaluation.passed
    assert result.evaluation.compared_bundle is None
    assert result.metrics.champion is None
    sentences = [check.sentence for check in result.metrics.verdict.checks]
    assert "There is no champion yet." in sentences


def test_a_better_candidate_passes_against_the_champion(
    store: ObjectStore, candidates: dict[str, Candidate]
) -> None:
    """Candidate and champion are scored on the same rows, and the better one passes."""
    champion = _crown(store, candidates["worse"], "improves")
    # Some sixty frauds say little about their money: the interval of the cost is wide.
    wide = PolicyDraft(gate=GateLimits(max_cost_increase=0.5))
    candidate = _renamed(store, candidates["better"], "improves")
    result = _judge(store, candidate, policy=wide, allow_looser_limits=True)
    assert result.evaluation.passed, result.evaluation.reasons
    assert result.evaluation.compared_bundle == champion
    in_force = alias_digest(store, "policies", "improves", "champion")
    assert result.metrics.champion_policy_digest == in_force is not None
    card = store.get(candidate_key(candidate.run_id, "card.md")).decode()
    for text in (card, store.get(result.report).decode()):
        assert "Looser limits: max_cost_increase is 0.5" in text
    cost = next(check for check in result.metrics.verdict.checks if check.name == "cost")
    assert str(in_force) in cost.sentence
    one, other = result.metrics.candidate, result.metrics.champion
    assert other is not None
    assert one.classification.rows == other.classification.rows
    assert one.classification.positives == other.classification.positives
    difference = result.metrics.verdict.comparison.difference
    assert difference is not None
    assert difference.average_precision is not None
    assert difference.average_precision.estimate == pytest.approx(
        (one.classification.average_precision or 0) - (other.classification.average_precision or 0)
    )


def test_a_champion_without_a_policy_stops_the_candidate(
    store: ObjectStore, candidates: dict[str, Candidate]
) -> None:
    """Nobody can price it, which metrics and verdict say; by itself the candidate passes."""
    _crown(store, candidates["worse"], "unpriced", policy=False)
    candidate = _renamed(store, candidates["better"], "unpriced")
    result = _judge(store, candidate)
    assert _failed(result) == {"cost"}
    assert result.metrics.champion_policy_digest is None
    assert "The champion has no policy" in result.evaluation.reasons[0]
    assert _judge(store, candidate, compare_with="none").evaluation.passed


def test_a_worse_candidate_fails_and_the_verdict_says_why(
    store: ObjectStore, candidates: dict[str, Candidate]
) -> None:
    """Falling behind the champion is the reason given, in words and figures."""
    _crown(store, candidates["better"], "declines")
    result = _judge(store, _renamed(store, candidates["worse"], "declines"))
    assert not result.evaluation.passed
    assert "champion" in _failed(result)
    assert any("Against the champion" in reason for reason in result.evaluation.reasons)


def test_a_constant_candidate_fails(store: ObjectStore, candidates: dict[str, Candidate]) -> None:
    """A scorer with a handful of scores does not pass, whatever its other figures are."""
    result = _judge(store, _renamed(store, candidates["constant"], "constant"))
    assert "distinct_scores" in _failed(result)
    assert not result.evaluation.passed


def test_a_leaking_candidate_fails(store: ObjectStore, candidates: dict[str, Candidate]) -> None:
    """The random split is marked in the verdict, which cannot pass with it."""
    result = _judge(store, _renamed(store, candidates["leaky"], "leaky"))
    assert _failed(result) == {"split"}
    assert not result.evaluation.passed


def test_limits_are_those_of_the_policy(
    store: ObjectStore, candidates: dict[str, Candidate]
) -> None:
    """Stricter limits fail the same candidate, check by check, and are stored with it."""
    limits = GateLimits(min_positives=10_000, min_average_precision=0.98, max_latency_p99_ms=1e-6)
    candidate = _renamed(store, candidates["better"], "strict")
    result = _judge(store, candidate, policy=PolicyDraft(gate=limits))
    assert {"positives", "average_precision", "latency"} <= _failed(result)
    assert result.policy.gate == limits


def test_thresholds_are_chosen_on_validation_rows(
    store: ObjectStore, candidates: dict[str, Candidate]
) -> None:
    """Thresholds are scores of validation rows, and stay what they are when they are given.

    The policy says which share of frauds the one was chosen for, and says nothing of the other.
    """
    candidate = _renamed(store, candidates["better"], "thresholds")
    chosen = _judge(store, candidate, policy=PolicyDraft(decline_precision=0.9)).policy
    assert chosen.decline_precision == 0.9
    import polars as pl

    scores = pl.read_parquet(read_candidate_file(store, candidate, "validation.parquet"))["score"]
    assert chosen.thresholds.review in scores.cast(pl.Float64).to_list()
    fixed = Thresholds(review=0.3, decline=0.8)
    given = _judge(store, candidate, policy=PolicyDraft(thresholds=fixed))
    assert (given.policy.thresholds, given.policy.decline_precision) == (fixed, None)
    stored = Policy.model_validate_json(store.get(candidate_key(candidate.run_id, "policy.json")))
    assert stored == given.policy
    assert given.evaluation.policy == stored.digest


def test_the_report_is_one_file_with_every_picture(
    store: ObjectStore, candidates: dict[str, Candidate]
) -> None:
    """The report loads nothing from anywhere and holds nine drawn charts and every check."""
    candidate = _renamed(store, candidates["better"], "report")
    result = _judge(store, candidate, importance_rows=300)
    page = store.get(result.report).decode()
    assert page.count("<svg") == 9
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert not re.search(r"@import|url\((?!#)", page)
    for check in result.metrics.verdict.checks:
        assert check.name == "fairness" or check.sentence.split("(")[0] in page
    for title in ("ROC curve", "Calibration", "Cost", "Card precision at 100, by day"):
        assert f"<b>{title}</b>" in page
    assert "Passed" in page


def test_the_report_names_segments_or_says_that_there_are_none(
    store: ObjectStore, candidates: dict[str, Candidate]
) -> None:
    """Each segment has a row in the figures."""
    result = _judge(store, _renamed(store, candidates["better"], "segments"))
    assert {each.segment for each in result.metrics.candidate.segments} == {"new", "old"}
    assert "Fairness: not assessed" not in store.get(result.report).decode()


def test_the_card_holds_the_facts(store: ObjectStore, candidates: dict[str, Candidate]) -> None:
    """Periods, figures, verdict and origin are in the card as they are in the metrics."""
    candidate = _renamed(store, candidates["better"], "card")
    result = _judge(store, candidate, importance_rows=300)
    card = store.get(candidate_key(candidate.run_id, "card.md")).decode()
    average = result.metrics.candidate.classification.average_precision
    assert f"| Average precision | {average:.4f} (" in card
    assert result.metrics.importance is not None
    assert result.metrics.importance.groups[0].features[0] in card
    assert "## Where it errs most" in card
    assert "| train | 2024-03-01 | 2024-03-13 |" in card
    assert "Gate: passed" in card
    metrics = json.loads(store.get(candidate_key(candidate.run_id, "metrics.json")))
    assert metrics["candidate"]["classification"]["average_precision"] == average


def test_a_champion_with_other_features_is_said_to_be_incomparable(
    store: ObjectStore, candidates: dict[str, Candidate]
) -> None:
    """The rows cannot be scored by it; the error says what to do, and doing it works."""
    files = bundle_files()
    signature = json.loads(files["signature.json"])
    signature["inputs"] = signature["inputs"][:3]
    files["signature.json"] = json.dumps(signature).encode()
    digest = publish_bundle(store, files, "narrow", "x").bundle_digest
    move_alias(store, "models", "narrow", "champion", digest, expected=None)
    candidate = _renamed(store, candidates["better"], "narrow")
    with pytest.raises(InvalidSetting, match="compare_with"):
        _judge(store, candidate)
    assert _judge(store, candidate, compare_with="none").evaluation.passed


def test_a_changed_graph_is_not_judged(
    store: ObjectStore, candidates: dict[str, Candidate]
) -> None:
    """A graph that is not the one that was trained is refused before it is run."""
    key = candidate_key(candidates["constant"].run_id, "model.onnx")
    before = store.get(key)
    store.put(key, before[:-1] + bytes([before[-1] ^ 1]))
    try:
        with pytest.raises(IntegrityError, match=r"model\.onnx"):
            _judge(store, candidates["constant"])
    finally:
        store.put(key, before)


def test_a_candidate_that_does_not_exist_is_named(store: ObjectStore) -> None:
    """An unknown run is not found, by its identifier."""
    with pytest.raises(NotFound, match="f" * 32):
        evaluate(EvaluateConfig(run_id="f" * 32), store)
