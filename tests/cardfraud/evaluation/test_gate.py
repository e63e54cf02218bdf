from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.contracts.policy import (
    CostMatrix,
    Decision,
    GateLimits,
    Policy,
    Rule,
    Thresholds,
)
from cardfraud.evaluation.check import Check
from cardfraud.evaluation.gate import FAIRNESS_NOT_ASSESSED, GateVerdict, judge
from cardfraud.evaluation.held_out import HeldOut, Scored
from cardfraud.evaluation.intervals import Interval
from cardfraud.evaluation.limits import (
    HIGHER_IS_STRICTER,
    LOWER_IS_STRICTER,
    NEITHER,
    looser_limits,
)

ROWS = 4_000
LIMITS = GateLimits(min_average_precision=0.3, bootstrap_samples=200)
Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def labels() -> NDArray[np.bool_]:
    """Four thousand rows, five in a hundred frauds."""
    return np.random.default_rng(0).random(ROWS) < 0.05


def _scorer(labels: NDArray[np.bool_], skill: float, seed: int = 1) -> Floats:
    """Calibrated probabilities from a normal margin that lies ``skill`` higher for frauds."""
    x = np.random.default_rng(seed).normal(size=len(labels)) + skill * labels
    odds = 0.05 / 0.95 * np.exp(skill * x - skill**2 / 2)
    return odds / (1 + odds)


def _judge(
    labels: NDArray[np.bool_],
    candidate: Floats,
    *,
    champion: Floats | None = None,
    review: float = 0.3,
    decline: float = 1.0,
    champion_review: float = 0.3,
    champion_has_policy: bool = True,
    champion_costs: CostMatrix | None = None,
    champion_limits: GateLimits | None = None,
    limits: GateLimits = LIMITS,
    segments: NDArray[np.object_] | None = None,
    cards: NDArray[np.int64] | None = None,
    costs: CostMatrix | None = None,
    latency_p99_ms: float | None = None,
    rules: tuple[Rule, ...] = (),
    champion_rules: tuple[Rule, ...] = (),
    allow_looser_limits: bool = True,
) -> GateVerdict:
    count = len(labels)
    rows = HeldOut(
        labels=labels,
        amounts=np.full(count, 20.0),
        days=np.arange(count) * 7 // count,
        cards=np.char.add("c", (np.arange(count) if cards is None else cards).astype(np.str_)),
        segments=segments,
        features=np.zeros((count, 0), dtype=np.float32),
    )
    policy = Policy(
        thresholds=Thresholds(review=review, decline=decline),
        gate=limits,
        costs=costs or CostMatrix(),
        rules=rules,
    )
    own = Policy(
        thresholds=Thresholds(review=champion_review, decline=1.0),
        gate=champion_limits or GateLimits(),
        costs=champion_costs or policy.costs,
        rules=champion_rules,
    )
    return judge(
        rows,
        candidate.astype(np.float32),
        policy,
        champion=None
        if champion is None
        else Scored(champion.astype(np.float32), own.thresholds, own.rules),
        champion_policy=own if champion_has_policy and champion is not None else None,
        latency_p99_ms=latency_p99_ms,
        allow_looser_limits=allow_looser_limits,
    )


def _check(verdict: GateVerdict, name: str) -> Check:
    (found,) = [check for check in verdict.checks if check.name == name]
    return found


def _failed(verdict: GateVerdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.passed}


def _gap(verdict: GateVerdict) -> Interval:
    difference = verdict.comparison.difference
    assert difference is not None
    assert difference.average_precision is not None
    return difference.average_precision


def test_a_good_first_model_passes(labels: NDArray[np.bool_]) -> None:
    """Without a champion a good candidate passes, and every check says a sentence."""
    verdict = _judge(labels, _scorer(labels, 2.5))
    assert verdict.passed
    assert verdict.reasons == ()
    assert verdict.comparison.champion is None
    assert all(check.sentence.endswith(".") for check in verdict.checks)


def test_a_better_candidate_passes_against_the_champion(labels: NDArray[np.bool_]) -> None:
    """A candidate with more skill than the champion passes on the same rows."""
    verdict = _judge(labels, _scorer(labels, 2.5), champion=_scorer(labels, 1.8, seed=2))
    assert verdict.passed
    difference = verdict.comparison.difference
    assert difference is not None
    assert difference.average_precision is not None
    assert difference.average_precision.low > 0


def test_a_worse_candidate_fails_against_the_champion(labels: NDArray[np.bool_]) -> None:
    """A candidate with less skill fails on the comparison, and says by how much."""
    verdict = _judge(labels, _scorer(labels, 2.0), champion=_scorer(labels, 3.0, seed=2))
    assert _failed(verdict) == {"champion", "cost"}
    assert "Against the champion average precision changes by -" in verdict.reasons[0]


def test_a_slightly_worse_candidate_fails_when_it_may_be_much_worse(
    labels: NDArray[np.bool_],
) -> None:
    """The interval's lower end decides: a small measured loss that may be a large one is refused.

    Champion and candidate have the same skill here and noise of their own.
    """
    wide = {"max_average_precision_drop": 0.02, "max_cost_increase": 1.0}
    limits = LIMITS.model_copy(update=wide)
    champion = _scorer(labels, 2.5, seed=8)
    verdict = _judge(labels, _scorer(labels, 2.5), champion=champion, limits=limits)
    gap = _gap(verdict)
    assert gap.low < -0.02 < gap.estimate < 0
    assert _failed(verdict) == {"champion"}
    assert f"interval {gap.low:+.4f} to {gap.high:+.4f}" in verdict.reasons[0]


def test_a_slightly_worse_candidate_passes_when_it_cannot_be_much_worse(
    labels: NDArray[np.bool_],
) -> None:
    """A small loss with a tight interval, as between two seeds of one model, stops nobody."""
    champion = _scorer(labels, 2.5)
    noise = np.random.default_rng(3).normal(size=ROWS)
    verdict = _judge(labels, champion * np.exp(0.02 * noise) / 1.2, champion=champion)
    gap = _gap(verdict)
    assert -LIMITS.max_average_precision_drop < gap.low < gap.estimate < 0
    assert verdict.passed


def test_a_candidate_equal_to_the_champion_passes(labels: NDArray[np.bool_]) -> None:
    """A retrained model that scores alike is no reason to stop."""
    scores = _scorer(labels, 2.5)
    assert _judge(labels, scores, champion=scores).passed


def test_the_sentence_of_cost_names_the_champions_policy(labels: NDArray[np.bool_]) -> None:
    """Whoever reads the verdict sees by which thresholds the champion was priced."""
    scores = _scorer(labels, 2.5)
    found = _check(_judge(labels, scores, champion=scores, champion_review=0.31), "cost")
    assert found.passed
    policy = Policy(thresholds=Thresholds(review=0.31, decline=1.0))
    assert found.sentence.endswith(f"by those of its policy {policy.digest}.")


def test_a_champion_without_a_policy_cannot_be_priced(labels: NDArray[np.bool_]) -> None:
    """Nobody knows at which thresholds it decides: the check of cost fails and says what to do."""
    scores = _scorer(labels, 2.5)
    verdict = _judge(labels, scores, champion=scores, champion_has_policy=False)
    assert _failed(verdict) == {"cost"}
    assert "let the alias that names it name its policy" in verdict.reasons[0]
    assert _judge(labels, scores).passed


def test_a_constant_scorer_fails(labels: NDArray[np.bool_]) -> None:
    """A scorer that says the same of every row fails although 95 % of its decisions are right."""
    verdict = _judge(labels, np.full(ROWS, 0.05))
    assert "distinct_scores" in _failed(verdict)
    assert not verdict.passed


def test_a_score_that_is_too_good_fails(labels: NDArray[np.bool_]) -> None:
    """A scorer that has seen the label fails, because a leak is likelier than such a model."""
    leaked = np.where(labels, 0.9, 0.01) + 0.001 * np.random.default_rng(0).random(ROWS)
    assert _failed(_judge(labels, leaked)) == {"too_good"}


def test_too_few_frauds_fail(labels: NDArray[np.bool_]) -> None:
    """Rows with fewer frauds than the limit carry no verdict, however good the scores look."""
    rows = np.flatnonzero(~labels).tolist() + np.flatnonzero(labels)[:49].tolist()
    verdict = _judge(labels[rows], _scorer(labels, 3.0)[rows])
    assert "positives" in _failed(verdict)


def test_what_lies_at_a_limit_passes(labels: NDArray[np.bool_]) -> None:
    """As many frauds, cards and distinct scores as are asked for are enough; one less is not."""
    scores = np.round(_scorer(labels, 2.5), 1)
    cards = np.where(labels, np.arange(ROWS) % 70, np.arange(ROWS) + 70)
    frauds, found = int(labels.sum()), len(np.unique(scores.astype(np.float32)))
    on = len(np.unique(cards[labels]))
    exact = {"min_positives": frauds, "min_distinct_scores": found, "min_fraud_cards": on}
    for more in (0, 1):
        limits = LIMITS.model_copy(update={name: least + more for name, least in exact.items()})
        failed = _failed(_judge(labels, scores, cards=cards, limits=limits))
        asked = {"positives", "distinct_scores", "fraud_cards"}
        assert failed & asked == (asked if more else set())


def test_a_score_at_the_review_threshold_is_flagged(labels: NDArray[np.bool_]) -> None:
    """In cost as in calibration the threshold itself belongs to what is reviewed."""
    scores = np.where(np.arange(ROWS) < 100, 0.5, np.minimum(_scorer(labels, 2.5), 0.2))
    verdict = _judge(labels, scores, review=0.5)
    assert "Of 100 rows at or above" in _check(verdict, "flagged_calibration").sentence
    found = verdict.comparison.candidate.false_positive_rate
    assert found is not None
    assert found.estimate == pytest.approx((~labels[:100]).sum() / (~labels).sum())


@pytest.mark.parametrize(("cards", "defined"), [(1, False), (20, True)])
def test_intervals_need_draws_that_hold_frauds(
    labels: NDArray[np.bool_], cards: int, defined: bool
) -> None:
    """Sixty frauds on one card are in two draws of three; the others have nothing to measure."""
    on = np.where(labels, ROWS + np.arange(ROWS) % cards, np.arange(ROWS))
    limits = LIMITS.model_copy(update={"min_fraud_cards": 1})
    found = _check(_judge(labels, _scorer(labels, 2.5), cards=on, limits=limits), "resamples")
    assert found.passed is defined
    assert found.value is not None
    assert (found.value < 0.75) is not defined


def test_no_fraud_at_all_fails_without_an_exception(labels: NDArray[np.bool_]) -> None:
    """A period without fraud is a verdict, not a crash, with or without a champion."""
    none = np.zeros(ROWS, dtype=bool)
    scores = _scorer(labels, 2.5)
    verdict = _judge(none, scores, champion=scores)
    assert {"positives", "average_precision", "too_good", "champion"} <= _failed(verdict)


def test_a_badly_calibrated_candidate_fails(labels: NDArray[np.bool_]) -> None:
    """Scores in the right order but at the wrong height fail on both checks of calibration.

    At that height nearly everything is flagged, which costs more than no model at all.
    """
    verdict = _judge(labels, _scorer(labels, 2.5) ** 0.3)
    assert _failed(verdict) == {"calibration", "flagged_calibration", "cost"}


@pytest.mark.parametrize("times", [0.2, 4.0])
def test_odds_that_are_wrong_where_they_decide_fail(
    labels: NDArray[np.bool_], times: float
) -> None:
    """Odds that are that many times too high pass over all rows and fail over the flagged ones."""
    scores = _scorer(labels, 2.5)
    odds = times * scores / (1 - scores)
    verdict = _judge(labels, odds / (1 + odds))
    assert _failed(verdict) == {"flagged_calibration"}
    flagged = odds / (1 + odds) >= 0.3
    share = labels[flagged].mean()
    assert f"Of {flagged.sum()} rows" in verdict.reasons[0]
    assert f"{share:.4f} are frauds" in verdict.reasons[0]
    loose = LIMITS.model_copy(update={"max_flagged_calibration_gap": 0.3})
    assert _judge(labels, odds / (1 + odds), limits=loose).passed


def test_few_flagged_rows_are_not_judged_and_chance_excuses_a_gap(
    labels: NDArray[np.bool_],
) -> None:
    """Below fifty flagged rows nothing is said; from there on the binomial interval decides."""
    legitimate = np.flatnonzero(~labels)
    found = {}
    for count in (49, 50):
        scores = np.minimum(_scorer(labels, 2.5), 0.29)
        scores[legitimate[:count]] = 0.9
        found[count] = _check(_judge(labels, scores), "flagged_calibration")
    assert (found[49].passed, found[49].value) == (True, None)
    assert found[49].sentence.startswith("49 rows lie at or above the review threshold")
    assert not found[50].passed
    assert found[50].value == pytest.approx(0.9)
    strict = LIMITS.model_copy(update={"max_flagged_calibration_gap": 0.0})
    excused = _check(_judge(labels, _scorer(labels, 2.5), limits=strict), "flagged_calibration")
    assert excused.passed
    assert excused.value is not None
    assert excused.value > 0
    assert "which chance explains" in excused.sentence


def test_a_candidate_whose_decisions_cost_more_fails(labels: NDArray[np.bool_]) -> None:
    """The same scores at a threshold that reviews less fail on cost, priced by one matrix."""
    scores = _scorer(labels, 2.5)
    cheap = CostMatrix(review=0.5)
    verdict = _judge(labels, scores, champion=scores, champion_review=0.05, costs=cheap)
    assert _failed(verdict) == {"cost"}
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
    scores = _scorer(labels, 2.5)
    house = CostMatrix(review=1.0)
    same: dict[str, Any] = {"champion": scores, "champion_costs": house, "costs": costs or house}
    verdict = _judge(labels, np.minimum(scores, 0.29), **same)
    found = _check(verdict, "cost")
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
    assert "cost" not in _failed(_judge(labels, scores, **same))


def test_a_candidate_that_is_dearer_by_its_own_costs_alone_fails(
    labels: NDArray[np.bool_],
) -> None:
    """The champion's costs come beside the candidate's, not in their place."""
    scores = _scorer(labels, 2.5)
    dear, cheap = CostMatrix(review=500.0), CostMatrix(review=0.5)
    given: dict[str, Any] = {"champion": scores, "champion_review": 0.5, "champion_costs": cheap}
    assert "cost" not in _failed(_judge(labels, scores, **given))
    assert "cost" in _failed(_judge(labels, scores, costs=dear, **given))


def test_the_upper_end_of_the_interval_of_cost_decides(labels: NDArray[np.bool_]) -> None:
    """A cost that seems to rise within the limit and may rise beyond it is refused."""
    scores, other = _scorer(labels, 2.5), _scorer(labels, 2.5, seed=8)
    wide = LIMITS.model_copy(update={"max_average_precision_drop": 1.0, "max_cost_increase": 1.0})
    priced = _judge(labels, scores, champion=other, limits=wide).comparison.cost
    assert priced is not None
    assert priced.change is not None
    middle = (max(priced.change.estimate, 0.0) + priced.change.high) / 2
    assert priced.change.estimate < middle < priced.change.high
    for limit, failed in ((middle, {"cost"}), (priced.change.high, set())):
        limits = wide.model_copy(update={"max_cost_increase": limit})
        assert _failed(_judge(labels, scores, champion=other, limits=limits)) == failed


@pytest.mark.parametrize("lets_pass", [True, False])
def test_a_first_model_has_to_be_worth_more_than_none(
    labels: NDArray[np.bool_], lets_pass: bool
) -> None:
    """Thresholds that let everything pass, or stop everything, cost no less than no model."""
    skill = _scorer(labels, 2.5)
    squeezed = np.minimum(skill, 0.29) if lets_pass else np.maximum(skill, 0.31)
    found = _check(_judge(labels, squeezed), "cost")
    assert not found.passed
    assert found.value is not None
    assert found.value == 0.0 if lets_pass else found.value < 0
    assert "more than 0" in found.sentence
    worth = _check(_judge(labels, skill), "cost")
    assert worth.passed
    assert worth.value is not None
    assert worth.value > 0


def test_limits_of_the_candidates_own_are_refused_unless_allowed(
    labels: NDArray[np.bool_],
) -> None:
    """Looser than the default, or than the champion's: named, and passed on an explicit word."""
    scores = _scorer(labels, 2.5)
    loose = GateLimits(max_average_precision_drop=1.0, allow_unmeasured_latency=True)
    strict = GateLimits(min_positives=60)
    given: dict[str, Any] = {"champion": scores, "limits": loose, "champion_limits": strict}
    refused = _judge(labels, scores, allow_looser_limits=False, **given)
    assert _failed(refused) == {"limits"}
    assert refused.looser_limits == (
        "min_positives is 50 (the champion's is 60)",
        "max_average_precision_drop is 1.0 (the default is 0.01)",
        "max_average_precision_drop is 1.0 (the champion's is 0.01)",
    )
    allowed = _judge(labels, scores, **given)
    assert allowed.passed
    assert allowed.looser_limits == refused.looser_limits
    assert _check(allowed, "limits").sentence.startswith("LOOSER LIMITS, allowed by")
    assert _judge(labels, scores, limits=strict, allow_looser_limits=False).looser_limits == ()


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
    scores = _scorer(labels, 2.5)
    given = {"name": "all", "field": "amount", "op": "ge", "value": 0, "reason": "it comes"}
    active = (Rule.model_validate(given | {"decision": Decision.DECLINE}),)
    shadow = (active[0].model_copy(update={"mode": "shadow"}),)
    verdict = _judge(labels, scores, champion=scores, rules=active)
    assert _failed(verdict) == {"cost"}
    found = verdict.comparison.candidate
    assert found.false_positive_rate is not None
    assert found.false_positive_rate.estimate == 1.0
    assert found.cost_per_thousand is not None
    assert found.cost_per_thousand.estimate == pytest.approx(5000 + 10_000 * (~labels).mean())
    assert _judge(labels, scores, champion=scores, rules=shadow).passed
    assert _judge(labels, scores, champion=scores, rules=active, champion_rules=active).passed


def test_a_champion_that_costs_nothing_is_not_to_be_beaten(labels: NDArray[np.bool_]) -> None:
    """Where nothing is lost and nothing reviewed, a candidate may not cost anything either."""
    scores, free = _scorer(labels, 2.5), CostMatrix(missed_fraud_share=0.0, false_decline=0.0)
    same = _judge(labels, scores, champion=scores, champion_review=1.0, costs=free)
    assert _failed(same) == {"cost"}
    assert _check(same, "cost").value is None
    none = free.model_copy(update={"review": 0.0})
    assert _judge(labels, scores, champion=scores, champion_review=1.0, costs=none).passed


def test_an_unfair_candidate_fails(labels: NDArray[np.bool_]) -> None:
    """A candidate that stops a few per cent more of one segment's customers fails on fairness."""
    segments = np.where(np.arange(ROWS) % 2 == 0, "north", "south").astype(object)
    scores = _scorer(labels, 2.5)
    assert _judge(labels, scores, segments=segments).passed
    some = (np.arange(ROWS) % 20 == 1) & ~labels
    limits = LIMITS.model_copy(update={"max_flagged_calibration_gap": 1.0})
    unfair = _judge(labels, np.where(some, 0.35, scores), segments=segments, limits=limits)
    assert _failed(unfair) == {"fairness"}
    assert "chance does not explain" in unfair.reasons[0]


def test_who_is_declined_is_judged_beside_who_is_stopped(labels: NDArray[np.bool_]) -> None:
    """A rule may turn the reviews of one segment into declines: as many are stopped, not alike."""
    segments = np.where(np.arange(ROWS) % 2 == 0, "north", "south").astype(object)
    scores = np.where((np.arange(ROWS) % 16 < 2) & ~labels, 0.35, _scorer(labels, 2.5))
    scores = np.where((scores == 0.35) & (segments == "south"), 0.36, scores)
    limits = LIMITS.model_copy(update={"max_flagged_calibration_gap": 1.0})
    given: dict[str, Any] = {"segments": segments, "limits": limits, "review": 0.355}
    given["costs"] = CostMatrix(review=0.0, false_decline=0.0)
    both = _failed(_judge(labels, scores, **given | {"review": 0.3}))
    assert "fairness" not in both
    verdict = _judge(labels, scores, decline=0.355, **given | {"review": 0.3})
    assert "fairness_at_decline" in _failed(verdict)
    assert "fairness" not in _failed(verdict)
    assert verdict.fairness_at_decline is not None
    assert "Of what is declined" in _check(verdict, "fairness_at_decline").sentence


def test_a_gap_that_chance_explains_passes_and_one_that_it_does_not_fails(
    labels: NDArray[np.bool_],
) -> None:
    """Chance is ruled out at the level of the policy: p = 0.03 explains nothing at 95 %."""
    segments = np.where(np.arange(ROWS) % 2 == 0, "north", "south").astype(object)
    limits = LIMITS.model_copy(
        update={"max_segment_gap": 0.005, "max_flagged_calibration_gap": 1.0}
    )
    seen = []
    for more in range(0, 40, 2):
        some = (np.arange(ROWS) % 2 == 1) & ~labels & (np.cumsum(~labels) <= 4 * more)
        scores = np.where(some, 0.35, _scorer(labels, 2.5))
        verdict = _judge(labels, scores, segments=segments, limits=limits)
        assert verdict.fairness is not None
        assert verdict.fairness.difference is not None
        p, gap = verdict.fairness.p_value, verdict.fairness.difference.estimate
        fails = gap > 0.005 and p <= 1 - limits.confidence
        assert ("fairness" in _failed(verdict)) is fails
        seen.append(p)
    assert any(0.01 < p <= 0.05 for p in seen)


def test_data_without_segments_says_that_fairness_was_not_assessed(
    labels: NDArray[np.bool_],
) -> None:
    """Whether unassessed fairness passes is the policy's choice; it is said in either case."""
    scores = _scorer(labels, 2.5)
    for allowed in (True, False):
        limits = LIMITS.model_copy(update={"allow_unassessed_fairness": allowed})
        verdict = _judge(labels, scores, limits=limits)
        assert _check(verdict, "fairness").sentence.startswith(FAIRNESS_NOT_ASSESSED)
        assert verdict.passed is allowed


def test_a_small_segment_is_named_and_not_compared(labels: NDArray[np.bool_]) -> None:
    """A segment of a few rows has no rate worth comparing, so one large segment is not enough."""
    segments = np.array(["large"] * (ROWS - 20) + ["small"] * 20, dtype=object)
    verdict = _judge(labels, _scorer(labels, 2.5), segments=segments)
    assert _check(verdict, "fairness").value is None
    assert (
        "fewer than two segments have 500 legitimate rows" in _check(verdict, "fairness").sentence
    )
    assert verdict.fairness is not None
    assert verdict.fairness.not_compared == ("small",)


def test_a_slow_candidate_fails(labels: NDArray[np.bool_]) -> None:
    """A measured latency above the limit fails; at the limit it passes."""
    scores = _scorer(labels, 2.5)
    assert _failed(_judge(labels, scores, latency_p99_ms=10.1)) == {"latency"}
    assert _judge(labels, scores, latency_p99_ms=10.0).passed


@pytest.mark.parametrize("allowed", [True, False])
def test_a_latency_that_was_not_measured_passes_by_allowance_only(
    labels: NDArray[np.bool_], allowed: bool
) -> None:
    """The policy says whether it may be left out, and the sentence says what the policy says."""
    limits = LIMITS.model_copy(update={"allow_unmeasured_latency": allowed})
    verdict = _judge(labels, _scorer(labels, 2.5), limits=limits)
    assert _failed(verdict) == (set() if allowed else {"latency"})
    said = "the policy allows that." if allowed else "the policy does not allow that."
    assert _check(verdict, "latency").sentence.endswith(said)


def test_the_same_input_gives_the_same_verdict_and_finite_json(labels: NDArray[np.bool_]) -> None:
    """The gate is a pure function, and its verdict survives the way through JSON."""
    scores, champion = _scorer(labels, 2.5), _scorer(labels, 2.4, seed=2)
    cards = np.arange(ROWS) // 3
    first = _judge(labels, scores, champion=champion, cards=cards)
    assert first == _judge(labels, scores, champion=champion, cards=cards)
    assert GateVerdict.model_validate_json(first.model_dump_json()) == first
