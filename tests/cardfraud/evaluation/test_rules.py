import numpy as np
import pytest

from cardfraud.contracts.policy import Decision, Policy, Rule, Thresholds
from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud.evaluation.actions import act
from cardfraud.evaluation.cost import cost_summary
from cardfraud.evaluation.rules import ScoredRows, backtest
from cardfraud.scoring.decision import decide


def _rule(name: str, field: str, op: str, value: float, **changes: object) -> Rule:
    plain = {"name": name, "field": field, "op": op, "value": value}
    return Rule.model_validate(plain | {"decision": "review", "reason": "because"} | changes)


def _policy(*rules: Rule) -> Policy:
    return Policy(thresholds=Thresholds(review=0.5, decline=0.9), rules=rules)


# Eight rows on two days: what each is, and what a person would say of it.
ROWS = ScoredRows(
    labels=np.array([True, True, False, False, True, False, True, False]),
    scores=np.array([0.95, 0.6, 0.6, 0.1, 0.1, 0.1, 0.2, 0.1]),
    amounts=np.array([300.0, 40.0, 30.0, 250.0, 400.0, 20.0, 10.0, 260.0]),
    days=np.array([1, 1, 1, 1, 2, 2, 2, 2]),
    cards=np.array(["a", "b", "c", "c", "d", "e", "f", "g"]),
    values={
        "amount": np.array([300.0, 40.0, 30.0, 250.0, 400.0, 20.0, 10.0, 260.0]),
        "is_night": np.array([1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, np.nan]),
    },
)
LARGE = _rule("large", "amount", "gt", 220)


def test_a_rule_is_judged_by_what_the_thresholds_let_pass() -> None:
    """Every figure of a rule on eight rows, worked out by hand."""
    (judged,) = backtest(_policy(LARGE), ROWS).rules
    assert judged.model_dump() == {
        "name": "large",
        "mode": "active",
        "fires": 4,  # rows 0, 3, 4, 7
        "frauds": 2,  # rows 0 and 4
        "marginal_frauds": 1,  # row 4: the model stopped row 0 already
        "marginal_amount": 400.0,
        "only_frauds": 1,
        "false_positives_added": 2,  # rows 3 and 7
        "false_declines_added": 0,
        "cost_change": 3 * 5 - 400.0,  # three more reviews, one fraud of 400 less
        "cards_added_per_day": 1.0,  # d and g on day 2; c was in the queue of day 1 already
    }


def test_the_policy_as_a_whole_with_and_without_its_rules() -> None:
    """What the model does alone, and what changes with the rules, worked out by hand."""
    result = backtest(_policy(LARGE), ROWS)
    assert (result.rows, result.frauds, result.fraud_amount, result.days) == (8, 4, 750.0, 2)
    assert result.model_alone.model_dump() == {
        "reviewed": 2,
        "declined": 1,
        "frauds_caught": 2,
        "false_positives": 1,
        "cards_per_day": 1.5,
        "cost": 410.0 + 3 * 5,
    }
    assert result.with_rules.model_dump() == {
        "reviewed": 5,
        "declined": 1,
        "frauds_caught": 3,
        "false_positives": 3,
        "cards_per_day": 2.5,
        "cost": 10.0 + 6 * 5,
    }
    assert result.with_shadow == result.with_rules


def test_a_rule_that_declines_pays_for_good_ones() -> None:
    """A declined good transaction costs more than a reviewed one, also where it was reviewed."""
    night = _rule("night", "is_night", "ge", 1, decision="decline")
    (judged,) = backtest(_policy(night), ROWS).rules
    assert judged.false_declines_added == 2  # row 2, which was under review, and row 3
    assert judged.false_positives_added == 1  # row 3
    assert judged.cost_change == 3 * 5 + 2 * 10 - 410.0


def test_a_shadow_rule_decides_nothing_but_is_judged() -> None:
    """The policy decides as if it were not there; the figures say what it would have done."""
    shadow = LARGE.model_copy(update={"mode": "shadow"})
    result, active = backtest(_policy(shadow), ROWS), backtest(_policy(LARGE), ROWS)
    assert result.with_rules == result.model_alone == active.model_alone
    assert result.with_shadow == active.with_rules
    assert result.rules[0].model_dump(exclude={"mode"}) == active.rules[0].model_dump(
        exclude={"mode"}
    )


def test_two_rules_that_catch_the_same_know_of_each_other() -> None:
    """A fraud that another active rule catches as well is marginal, but not this rule's only."""
    huge = _rule("huge", "amount", "gt", 350)
    both = backtest(_policy(LARGE, huge), ROWS).rules
    assert [(one.marginal_frauds, one.only_frauds) for one in both] == [(1, 0), (1, 0)]
    beside_a_shadow = backtest(_policy(LARGE, huge.model_copy(update={"mode": "shadow"})), ROWS)
    assert [one.only_frauds for one in beside_a_shadow.rules] == [1, 0]


def test_a_conjunction_fires_on_fewer_rows() -> None:
    """All conditions must hold; a value that is missing lets none hold."""
    both = _rule(
        "large_at_night", "amount", "gt", 220, also=({"field": "is_night", "op": "ge", "value": 1},)
    )
    (judged,) = backtest(_policy(both), ROWS).rules
    assert (judged.fires, judged.false_positives_added) == (3, 1)


@pytest.mark.parametrize("seed", range(5))
def test_the_backtest_decides_as_the_servers_do(seed: int) -> None:
    """On random rows and rules the counts are those of deciding each row by itself."""
    random = np.random.default_rng(seed)
    number = 300
    values = {name: random.normal(size=number) for name in ("amount", "zscore", "count")}
    values["zscore"][random.random(number) < 0.3] = np.nan
    rules = tuple(
        _rule(
            f"rule_{place}",
            str(random.choice(list(values))),
            str(random.choice(["gt", "ge", "lt", "le"])),
            float(random.normal()),
            decision=str(random.choice(["review", "decline"])),
            mode=str(random.choice(["active", "active", "shadow"])),
            also=tuple(
                {"field": str(random.choice(list(values))), "op": "gt", "value": -0.5}
                for _ in range(int(random.integers(0, 2)))
            ),
        )
        for place in range(4)
    )
    rows = ScoredRows(
        labels=random.random(number) < 0.3,
        scores=random.random(number),
        amounts=random.integers(1, 100, number).astype(np.float64),
        days=random.integers(0, 5, number),
        cards=random.integers(0, 60, number),
        values=values,
    )
    policy = _policy(*rules)
    verdicts = [
        decide(
            policy,
            float(rows.scores[place]),
            {name: float(one[place]) for name, one in values.items()},
            degraded=False,
        )
        for place in range(number)
    ]
    stopped = np.array([one.decision is not Decision.APPROVE for one in verdicts])
    declined = np.array([one.decision is Decision.DECLINE for one in verdicts])
    result = backtest(policy, rows)
    assert result.with_rules.reviewed == int((stopped & ~declined).sum())
    assert result.with_rules.declined == int(declined.sum())
    assert result.with_rules.frauds_caught == int((stopped & rows.labels).sum())
    queue = set(zip(rows.days[stopped].tolist(), rows.cards[stopped].tolist(), strict=True))
    assert result.with_rules.cards_per_day == len(queue) / 5
    for judged in result.rules:
        fired = [judged.name in (*one.fired, *one.shadow) for one in verdicts]
        assert judged.fires == sum(fired)
    actions = act(rows.scores, policy.thresholds)
    priced = cost_summary(
        rows.labels, rows.scores, rows.amounts, costs=policy.costs, actions=actions
    )
    whole = act(rows.scores, policy.thresholds, rules, values)
    assert np.array_equal(whole.stopped, stopped)
    assert np.array_equal(whole.declined, declined)
    assert result.model_alone.cost == pytest.approx(priced.total)


def test_what_does_not_fit_is_named() -> None:
    """A rule over a value that the rows lack, and a column of another length, are named."""
    with pytest.raises(InvalidSetting, match=r"shoes.*shoe_size"):
        backtest(_policy(_rule("shoes", "shoe_size", "gt", 1)), ROWS)
    short = ScoredRows(
        ROWS.labels, ROWS.scores, ROWS.amounts, ROWS.days, ROWS.cards, {"amount": np.zeros(7)}
    )
    with pytest.raises(InvalidFrame, match=r"amount.*expected 8"):
        backtest(_policy(LARGE), short)
