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
