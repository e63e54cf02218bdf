from typing import Any

import pytest
from pydantic import ValidationError

from cardfraud.contracts.policy import Decision, GateLimits, Policy, Rule, Thresholds

POLICY = Policy(thresholds=Thresholds(review=0.2, decline=0.9))
RULE: dict[str, Any] = {
    "name": "large",
    "field": "amount",
    "op": "gt",
    "value": 1_000,
    "decision": "review",
    "reason": "large amount",
}


def test_a_gate_that_could_not_fail_is_refused() -> None:
    """With too few permutations for its confidence no unfair model could be told from chance."""
    with pytest.raises(ValidationError, match="200 bootstrap_samples are too few"):
        GateLimits(bootstrap_samples=200, confidence=0.999)
    assert GateLimits(bootstrap_samples=1_000, confidence=0.999).confidence == 0.999
    assert GateLimits(bootstrap_samples=100, confidence=0.99).bootstrap_samples == 100


def test_a_stored_policy_is_the_same_policy() -> None:
    """The stored bytes give the same policy back, with the same digest."""
    again = Policy.model_validate_json(POLICY.encode())
    assert again == POLICY
    assert again.digest == POLICY.digest


def test_every_change_is_another_policy() -> None:
    """Another threshold, budget, rule or limit gives another digest."""
    digests = {
        POLICY.digest,
        POLICY.model_copy(update={"thresholds": Thresholds(review=0.21, decline=0.9)}).digest,
        POLICY.model_copy(update={"alert_budget_per_day": 99}).digest,
        POLICY.model_copy(update={"rules": (Rule.model_validate(RULE),)}).digest,
        POLICY.model_copy(update={"gate": GateLimits(min_positives=51)}).digest,
    }
    assert len(digests) == 5


def test_a_policy_cannot_be_changed() -> None:
    """An attribute of a policy can't be set."""
    with pytest.raises(ValidationError):
        POLICY.alert_budget_per_day = 1  # type: ignore[misc]


def test_review_never_lies_above_decline() -> None:
    """Thresholds in the wrong order are refused, equal ones are not."""
    with pytest.raises(ValidationError, match="review must not lie above decline"):
        Thresholds(review=0.9, decline=0.2)
    assert Thresholds(review=0.5, decline=0.5).review == 0.5


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "approve"},
        {"op": "eq"},
        {"value": float("nan")},
        {"name": "Large Amount"},
        {"reason": ""},
        {"otherwise": "approve"},
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(change: dict[str, Any]) -> None:
    """A rule that would make a decision milder, or that nobody can read, is refused."""
    with pytest.raises(ValidationError):
        Rule.model_validate(RULE | change)


def test_a_rule_makes_stricter() -> None:
    """A rule may ask for review or decline."""
    assert Rule.model_validate(RULE).decision is Decision.REVIEW
    assert Rule.model_validate(RULE | {"decision": "decline"}).decision is Decision.DECLINE


OLD_DOCUMENT = (
    b'{"alert_budget_per_day":100,"costs":{"false_decline":10.0,"missed_fraud_share":1.0,'
    b'"review":5.0},"gate":{"allow_unassessed_fairness":true,"bootstrap_samples":500,'
    b'"confidence":0.95,"max_average_precision":0.99,"max_average_precision_drop":0.01,'
    b'"max_calibration_error":0.05,"max_latency_p99_ms":10.0,"max_segment_gap":0.3,'
    b'"min_average_precision":0.2,"min_distinct_scores":10,"min_positives":50},"rules":'
    b'[{"decision":"review","field":"amount","name":"large","op":"gt","reason":"large amount",'
    b'"value":1000.0}],"schema_version":1,"thresholds":{"decline":0.9,"review":0.2},'
    b'"when_degraded":"review","when_predictor_fails":"rules"}'
)
"""A policy as it was written before rules had modes and further conditions."""


def test_a_policy_of_old_keeps_its_bytes() -> None:
    """A document from before a field existed is read, and written again with the same digest."""
    again = Policy.model_validate_json(OLD_DOCUMENT)
    assert again.encode() == OLD_DOCUMENT
    assert again.rules[0].mode == "active"


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "shadow"},
        {"also": [{"field": "is_night", "op": "ge", "value": 1}]},
    ],
)
def test_what_a_rule_gained_later_is_part_of_it(change: dict[str, Any]) -> None:
    """A mode and further conditions are written, read again, and give another digest."""
    plain = POLICY.model_copy(update={"rules": (Rule.model_validate(RULE),)})
    changed = POLICY.model_copy(update={"rules": (Rule.model_validate(RULE | change),)})
    assert Policy.model_validate_json(changed.encode()) == changed
    assert changed.digest != plain.digest


@pytest.mark.parametrize(
    "change",
    [
        {"max_flagged_calibration_gap": 0.1},
        {"allow_unmeasured_latency": False},
        {"min_fraud_cards": 30},
    ],
)
def test_what_the_gate_gained_later_is_written_where_it_is_set(change: dict[str, Any]) -> None:
    """By default a limit of later leaves the digest alone; set, it is read again as it was."""
    assert not change.keys() & POLICY.model_dump()["gate"].keys()
    changed = POLICY.model_copy(update={"gate": GateLimits.model_validate(change)})
    assert Policy.model_validate_json(changed.encode()) == changed
    assert changed.digest != POLICY.digest


def test_how_thresholds_were_chosen_is_written_where_it_is_known() -> None:
    """Unknown, it leaves the digest alone; known, it is read again and makes another policy."""
    assert "decline_precision" not in POLICY.model_dump()
    chosen = POLICY.model_copy(update={"decline_precision": 0.9})
    assert Policy.model_validate_json(chosen.encode()) == chosen
    assert chosen.digest != POLICY.digest


def test_two_rules_of_one_name_are_refused() -> None:
    """Nobody could tell from a decision which of the two had fired."""
    rules = (Rule.model_validate(RULE), Rule.model_validate(RULE | {"value": 5}))
    with pytest.raises(ValidationError, match="two rules are named large"):
        Policy(thresholds=POLICY.thresholds, rules=rules)
