import itertools

import pytest

from cardfraud.contracts.policy import Decision, Policy, Rule, Thresholds
from cardfraud.errors import InvalidSetting
from cardfraud.scoring.decision import check_rules, decide, rule_fields

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


def _conjunction(**changes: object) -> Rule:
    further = ({"field": "hour_of_day", "op": "lt", "value": 6},)
    return Rule.model_validate(rule("gt", 100).model_dump() | {"also": further} | changes)


@pytest.mark.parametrize(
    ("amount", "hour", "fires"),
    [(120, 3, True), (120, 6, False), (100, 3, False), (float("nan"), 3, False)],
)
def test_a_conjunction_fires_where_all_of_it_holds(amount: float, hour: float, fires: bool) -> None:
    """One condition that does not hold, or has no value, keeps the rule from firing."""
    values = {"amount": amount, "hour_of_day": hour}
    verdict = decide(policy(_conjunction()), 0.0, values, degraded=False)
    assert (verdict.decision is Decision.DECLINE) is fires
    assert verdict.fired == (("a_rule",) if fires else ())


def test_every_condition_of_a_conjunction_is_checked() -> None:
    """A further condition over an unknown value is refused, and its value is among those read."""
    given = policy(_conjunction())
    with pytest.raises(InvalidSetting, match=r"a_rule.*hour_of_day"):
        check_rules(given, VALUES)
    assert rule_fields(given) == ("amount", "hour_of_day")


def test_a_shadow_rule_is_told_but_decides_nothing() -> None:
    """With a shadow rule the answer is the one without it; only the verdict knows its name."""
    given = policy(rule("gt", 0).model_copy(update={"mode": "shadow"}))
    for probability, degraded in itertools.product((None, 0.1, 0.5, 0.9), (False, True)):
        verdict = decide(given, probability, VALUES, degraded=degraded)
        without = decide(policy(), probability, VALUES, degraded=degraded)
        assert (verdict.decision, verdict.reasons) == (without.decision, without.reasons)
        assert (verdict.fired, verdict.shadow) == ((), ("a_rule",))


def test_the_strictest_reason_comes_first() -> None:
    """A rule that declines stands before a score that would only review, and not the reverse."""
    declines = decide(policy(rule("gt", 0)), 0.5, VALUES, degraded=True)
    assert declines.reasons[0] == "a_rule: because"
    reviews = decide(policy(rule("gt", 0, "review")), 0.9, VALUES, degraded=True)
    assert reviews.reasons[0] == "probability at or above 0.8"
    assert len(declines.reasons) == len(reviews.reasons) == 3


def test_what_contributed_to_the_score_stands_behind_it() -> None:
    """Contributions follow the sentence on the score, and come last where there is none."""
    given = policy(rule("gt", 0))
    words = ("amount: large", "merchant: many frauds")
    assert decide(given, 0.5, VALUES, degraded=False).explained(words).reasons == (
        "a_rule: because",
        "probability at or above 0.3",
        *words,
    )
    assert decide(given, 0.9, VALUES, degraded=False).explained(words).reasons == (
        "probability at or above 0.8",
        *words,
        "a_rule: because",
    )
    assert decide(given, 0.1, VALUES, degraded=False).explained(words).reasons == (
        "a_rule: because",
        *words,
    )
