from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.contracts.policy import CostMatrix, Decision, GateLimits, Policy, Rule, Thresholds
from cardfraud.evaluation.limits import (
    HIGHER_IS_STRICTER,
    LOWER_IS_STRICTER,
    NEITHER,
    looser_limits,
)
from tests.cardfraud.evaluation.judged import (
    LIMITS,
    check_of,
    failed,
    judged,
    scorer,
)


def test_the_sentence_of_cost_names_the_champions_policy(labels: NDArray[np.bool_]) -> None:
    """Whoever reads the verdict sees by which thresholds the champion was priced."""
    scores = scorer(labels, 2.5)
    found = check_of(judged(labels, scores, champion=scores, champion_review=0.31), "cost")
    assert found.passed
    policy = Policy(thresholds=Thresholds(review=0.31, decline=1.0))
    assert found.sentence.endswith(f"by those of its policy {policy.digest}.")


def test_a_champion_without_a_policy_cannot_be_priced(labels: NDArray[np.bool_]) -> None:
    """Nobody knows at which thresholds it decides: the check of cost fails and says what to do."""
    scores = scorer(labels, 2.5)
    verdict = judged(labels, scores, champion=scores, champion_has_policy=False)
    assert failed(verdict) == {"cost"}
    assert "let the alias that names it name its policy" in verdict.reasons[0]
    assert judged(labels, scores).passed


def test_a_candidate_whose_decisions_cost_more_fails(labels: NDArray[np.bool_]) -> None:
    """The same scores at a threshold that reviews less fail on cost, priced by one matrix."""
    scores = scorer(labels, 2.5)
    cheap = CostMatrix(review=0.5)
    verdict = judged(labels, scores, champion=scores, champion_review=0.05, costs=cheap)
    assert failed(verdict) == {"cost"}
    assert verdict.comparison.cost is not None
    change = verdict.comparison.cost.change
    assert change is not None
    assert change.estimate > LIMITS.max_cost_increase
    assert f"cost changes by {change.estimate:+.1%}" in verdict.reasons[0]


@pytest.mark.parametrize(
    "costs", [CostMatrix(review=500.0), CostMatrix(missed_fraud_share=0.0), None]
)
def test_a_candidate_that_brings_its_own_costs_is_priced_by_the_champions_too(
    labels: NDArray[np.bool_], costs: CostMatrix | None
) -> None:
    """One that stops nothing is cheap where a review costs 500, and dear by what held so far."""
    scores = scorer(labels, 2.5)
    house = CostMatrix(review=1.0)
    same: dict[str, Any] = {"champion": scores, "champion_costs": house, "costs": costs or house}
    verdict = judged(labels, np.minimum(scores, 0.29), **same)
    found = check_of(verdict, "cost")
    assert not found.passed
    assert found.value is not None
    assert found.value > 0.3
    comparison = verdict.comparison
    if costs is None:
        assert comparison.champion_cost is None
        return
    assert comparison.cost is not None
    assert comparison.cost.change is not None
    assert comparison.cost.change.high < 0
    assert comparison.champion_cost is not None
    assert comparison.champion_cost.change is not None
    assert found.value == comparison.champion_cost.change.high
    assert "By the champion's costs the decisions' cost changes by +" in found.sentence
    assert "cost" not in failed(judged(labels, scores, **same))


def test_a_candidate_that_is_dearer_by_its_own_costs_alone_fails(
    labels: NDArray[np.bool_],
) -> None:
    """The champion's costs come beside the candidate's, not in their place."""
    scores = scorer(labels, 2.5)
    dear, cheap = CostMatrix(review=500.0), CostMatrix(review=0.5)
    given: dict[str, Any] = {"champion": scores, "champion_review": 0.5, "champion_costs": cheap}
    assert "cost" not in failed(judged(labels, scores, **given))
    assert "cost" in failed(judged(labels, scores, costs=dear, **given))


def test_the_upper_end_of_the_interval_of_cost_decides(labels: NDArray[np.bool_]) -> None:
    """A cost that seems to rise within the limit and may rise beyond it is refused."""
    scores, other = scorer(labels, 2.5), scorer(labels, 2.5, seed=8)
    wide = LIMITS.model_copy(update={"max_average_precision_drop": 1.0, "max_cost_increase": 1.0})
    priced = judged(labels, scores, champion=other, limits=wide).comparison.cost
    assert priced is not None
    assert priced.change is not None
    middle = (max(priced.change.estimate, 0.0) + priced.change.high) / 2
    assert priced.change.estimate < middle < priced.change.high
    for limit, expected in ((middle, {"cost"}), (priced.change.high, set())):
        limits = wide.model_copy(update={"max_cost_increase": limit})
        assert failed(judged(labels, scores, champion=other, limits=limits)) == expected


@pytest.mark.parametrize("lets_pass", [True, False])
def test_a_first_model_has_to_be_worth_more_than_none(
    labels: NDArray[np.bool_], lets_pass: bool
) -> None:
    """Thresholds that let everything pass, or stop everything, cost no less than no model."""
    skill = scorer(labels, 2.5)
    squeezed = np.minimum(skill, 0.29) if lets_pass else np.maximum(skill, 0.31)
    found = check_of(judged(labels, squeezed), "cost")
    assert not found.passed
    assert found.value is not None
    assert found.value == 0.0 if lets_pass else found.value < 0
    assert "more than 0" in found.sentence
    worth = check_of(judged(labels, skill), "cost")
    assert worth.passed
    assert worth.value is not None
    assert worth.value > 0


def test_limits_of_the_candidates_own_are_refused_unless_allowed(
    labels: NDArray[np.bool_],
) -> None:
    """Looser than the default, or than the champion's: named, and passed on an explicit word."""
    scores = scorer(labels, 2.5)
    loose = GateLimits(max_average_precision_drop=1.0, allow_unmeasured_latency=True)
    strict = GateLimits(min_positives=60)
    given: dict[str, Any] = {"champion": scores, "limits": loose, "champion_limits": strict}
    refused = judged(labels, scores, allow_looser_limits=False, **given)
    assert failed(refused) == {"limits"}
    assert refused.looser_limits == (
        "min_positives is 50 (the champion's is 60)",
        "max_average_precision_drop is 1.0 (the default is 0.01)",
        "max_average_precision_drop is 1.0 (the champion's is 0.01)",
    )
    allowed = judged(labels, scores, **given)
    assert allowed.passed
    assert allowed.looser_limits == refused.looser_limits
    assert check_of(allowed, "limits").sentence.startswith("LOOSER LIMITS, allowed by")
    assert judged(labels, scores, limits=strict, allow_looser_limits=False).looser_limits == ()


def test_every_limit_says_which_way_is_strict() -> None:
    """A limit that is added and not compared would be one that a candidate sets as it likes."""
    named = (*HIGHER_IS_STRICTER, *LOWER_IS_STRICTER, *NEITHER)
    assert sorted(named) == sorted(GateLimits.model_fields)
    for name in (*HIGHER_IS_STRICTER, *LOWER_IS_STRICTER):
        looser = -1 if name in HIGHER_IS_STRICTER else 1e9
        changed = GateLimits().model_copy(update={name: looser})
        found = looser_limits(changed, None)
        assert len(found) == 1, name
    for name in ("allow_unassessed_fairness", "allow_unmeasured_latency"):
        strict = GateLimits.model_validate({name: False})
        assert len(looser_limits(GateLimits(), strict)) == 1
    assert len(looser_limits(GateLimits(confidence=0.9), None)) == 1


def test_active_rules_are_priced_and_shadow_rules_are_not(labels: NDArray[np.bool_]) -> None:
    """What is judged is what the servers would do, of the candidate and of the champion."""
    scores = scorer(labels, 2.5)
    given = {"name": "all", "field": "amount", "op": "ge", "value": 0, "reason": "it comes"}
    active = (Rule.model_validate(given | {"decision": Decision.DECLINE}),)
    shadow = (active[0].model_copy(update={"mode": "shadow"}),)
    verdict = judged(labels, scores, champion=scores, rules=active)
    assert failed(verdict) == {"cost"}
    found = verdict.comparison.candidate
    assert found.false_positive_rate is not None
    assert found.false_positive_rate.estimate == 1.0
    assert found.cost_per_thousand is not None
    assert found.cost_per_thousand.estimate == pytest.approx(5000 + 10_000 * (~labels).mean())
    assert judged(labels, scores, champion=scores, rules=shadow).passed
    assert judged(labels, scores, champion=scores, rules=active, champion_rules=active).passed


def test_a_champion_that_costs_nothing_is_not_to_be_beaten(labels: NDArray[np.bool_]) -> None:
    """Where nothing is lost and nothing reviewed, a candidate may not cost anything either."""
    scores, free = scorer(labels, 2.5), CostMatrix(missed_fraud_share=0.0, false_decline=0.0)
    same = judged(labels, scores, champion=scores, champion_review=1.0, costs=free)
    assert failed(same) == {"cost"}
    assert check_of(same, "cost").value is None
    none = free.model_copy(update={"review": 0.0})
    assert judged(labels, scores, champion=scores, champion_review=1.0, costs=none).passed
