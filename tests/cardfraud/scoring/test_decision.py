import itertools

import pytest

from cardfraud.contracts.policy import Decision, Policy, Rule, Thresholds
from cardfraud.errors import InvalidSetting
from cardfraud.scoring.decision import check_rules, decide

ORDER = [Decision.APPROVE, Decision.REVIEW, Decision.DECLINE]
VALUES = {"amount": 120.0, "std_amount": float("nan")}


def policy(*rules: Rule, when_degraded: str = "review") -> Policy:
    """Return a policy that reviews from 0.3 and declines from 0.8."""
    return Policy.model_validate(
        {
            "thresholds": Thresholds(review=0.3, decline=0.8),
            "rules": rules,
            "when_degraded": when_degraded,
        }
    )


def rule(op: str, value: float, decision: str = "decline", field: str = "amount") -> Rule:
    """Return a rule."""
    return Rule.model_validate(
        {
            "name": "a_rule",
            "field": field,
            "op": op,
            "value": value,
            "decision": decision,
            "reason": "because",
        }
    )


@pytest.mark.parametrize(
    ("probability", "decision"),
    [(0.0, "approve"), (0.29999, "approve"), (0.3, "review"), (0.79, "review"), (0.8, "decline")],
)
def test_thresholds_are_lower_bounds(probability: float, decision: str) -> None:
    """A probability at a threshold gets that threshold's decision; only approve has no reason."""
    verdict = decide(policy(), probability, VALUES, degraded=False)
    assert verdict.decision == decision
    assert bool(verdict.reasons) is (decision != "approve")


@pytest.mark.parametrize(
    ("op", "value", "fires"),
    [
        ("gt", 120.0, False),
        ("gt", 119.0, True),
        ("ge", 120.0, True),
        ("lt", 120.0, False),
        ("lt", 121.0, True),
        ("le", 120.0, True),
        ("le", 119.9, False),
    ],
)
def test_rules_compare_as_they_say(op: str, value: float, fires: bool) -> None:
    """Each operator holds exactly where its name says, at the bound too."""
    verdict = decide(policy(rule(op, value)), 0.0, VALUES, degraded=False)
    assert (verdict.decision is Decision.DECLINE) is fires
    assert verdict.reasons == (("a_rule: because",) if fires else ())


def test_nothing_ever_makes_a_decision_milder() -> None:
    """Whatever fires, the decision is at least that of the thresholds, of the rule, of degraded."""
    for probability, degraded, strict, mildest in itertools.product(
        (None, 0.1, 0.5, 0.9), (False, True), ("review", "decline"), ("approve", "review")
    ):
        given = policy(rule("gt", 0, strict), when_degraded=mildest)
        bare = policy(when_degraded=mildest)
        verdict = decide(given, probability, VALUES, degraded=degraded)
        without = decide(bare, probability, VALUES, degraded=degraded)
        floor = max(ORDER.index(without.decision), ORDER.index(Decision(strict)))
        assert ORDER.index(verdict.decision) == floor


@pytest.mark.parametrize(("mildest", "expected"), [("review", "review"), ("approve", "approve")])
def test_degraded_is_at_least_what_the_policy_says(mildest: str, expected: str) -> None:
    """Degraded features, and a model that cannot be asked, give at least ``when_degraded``."""
    given = policy(when_degraded=mildest)
    assert decide(given, 0.01, VALUES, degraded=True).decision == expected
    assert decide(given, None, VALUES, degraded=False).decision == expected
    assert decide(given, 0.9, VALUES, degraded=True).decision == "decline"


def test_a_rule_over_a_missing_value_does_not_fire() -> None:
    """A value that there is not is neither large nor small."""
    for op in ("gt", "ge", "lt", "le"):
        given = policy(rule(op, 0.0, field="std_amount"))
        assert decide(given, 0.0, VALUES, degraded=False).decision is Decision.APPROVE


def test_a_rule_over_an_unknown_value_is_refused_beforehand() -> None:
    """A policy whose rule could never be evaluated is refused, with the rule's name."""
    with pytest.raises(InvalidSetting, match=r"a_rule.*shoe_size"):
        check_rules(policy(rule("gt", 1, field="shoe_size")), VALUES)
    check_rules(policy(rule("gt", 1)), VALUES)
