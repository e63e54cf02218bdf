import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.evaluation.gate import GateVerdict
from tests.cardfraud.evaluation.judged import (
    LIMITS,
    ROWS,
    check_of,
    failed,
    gap_of,
    judged,
    scorer,
)


def test_a_good_first_model_passes(labels: NDArray[np.bool_]) -> None:
    """Without a champion a good candidate passes, and every check says a sentence."""
    verdict = judged(labels, scorer(labels, 2.5))
    assert verdict.passed
    assert verdict.reasons == ()
    assert verdict.comparison.champion is None
    assert all(check.sentence.endswith(".") for check in verdict.checks)


def test_a_better_candidate_passes_against_the_champion(labels: NDArray[np.bool_]) -> None:
    """A candidate with more skill than the champion passes on the same rows."""
    verdict = judged(labels, scorer(labels, 2.5), champion=scorer(labels, 1.8, seed=2))
    assert verdict.passed
    difference = verdict.comparison.difference
    assert difference is not None
    assert difference.average_precision is not None
    assert difference.average_precision.low > 0


def test_a_worse_candidate_fails_against_the_champion(labels: NDArray[np.bool_]) -> None:
    """A candidate with less skill fails on the comparison, and says by how much."""
    verdict = judged(labels, scorer(labels, 2.0), champion=scorer(labels, 3.0, seed=2))
    assert failed(verdict) == {"champion", "cost"}
    assert "Against the champion average precision changes by -" in verdict.reasons[0]


def test_a_slightly_worse_candidate_fails_when_it_may_be_much_worse(
    labels: NDArray[np.bool_],
) -> None:
    """The interval's lower end decides: a small measured loss that may be a large one is refused.

    Champion and candidate have the same skill here and noise of their own.
    """
    wide = {"max_average_precision_drop": 0.02, "max_cost_increase": 1.0}
    limits = LIMITS.model_copy(update=wide)
    champion = scorer(labels, 2.5, seed=8)
    verdict = judged(labels, scorer(labels, 2.5), champion=champion, limits=limits)
    gap = gap_of(verdict)
    assert gap.low < -0.02 < gap.estimate < 0
    assert failed(verdict) == {"champion"}
    assert f"interval {gap.low:+.4f} to {gap.high:+.4f}" in verdict.reasons[0]


def test_a_slightly_worse_candidate_passes_when_it_cannot_be_much_worse(
    labels: NDArray[np.bool_],
) -> None:
    """A small loss with a tight interval, as between two seeds of one model, stops nobody."""
    champion = scorer(labels, 2.5)
    noise = np.random.default_rng(3).normal(size=ROWS)
    verdict = judged(labels, champion * np.exp(0.02 * noise) / 1.2, champion=champion)
    gap = gap_of(verdict)
    assert -LIMITS.max_average_precision_drop < gap.low < gap.estimate < 0
    assert verdict.passed


def test_a_candidate_equal_to_the_champion_passes(labels: NDArray[np.bool_]) -> None:
    """A retrained model that scores alike is no reason to stop."""
    scores = scorer(labels, 2.5)
    assert judged(labels, scores, champion=scores).passed


def test_a_constant_scorer_fails(labels: NDArray[np.bool_]) -> None:
    """A scorer that says the same of every row fails although 95 % of its decisions are right."""
    verdict = judged(labels, np.full(ROWS, 0.05))
    assert "distinct_scores" in failed(verdict)
    assert not verdict.passed


def test_a_score_that_is_too_good_fails(labels: NDArray[np.bool_]) -> None:
    """A scorer that has seen the label fails, because a leak is likelier than such a model."""
    leaked = np.where(labels, 0.9, 0.01) + 0.001 * np.random.default_rng(0).random(ROWS)
    assert failed(judged(labels, leaked)) == {"too_good"}


def test_too_few_frauds_fail(labels: NDArray[np.bool_]) -> None:
    """Rows with fewer frauds than the limit carry no verdict, however good the scores look."""
    rows = np.flatnonzero(~labels).tolist() + np.flatnonzero(labels)[:49].tolist()
    verdict = judged(labels[rows], scorer(labels, 3.0)[rows])
    assert "positives" in failed(verdict)


def test_what_lies_at_a_limit_passes(labels: NDArray[np.bool_]) -> None:
    """As many frauds, cards and distinct scores as are asked for are enough; one less is not."""
    scores = np.round(scorer(labels, 2.5), 1)
    cards = np.where(labels, np.arange(ROWS) % 70, np.arange(ROWS) + 70)
    frauds, found = int(labels.sum()), len(np.unique(scores.astype(np.float32)))
    on = len(np.unique(cards[labels]))
    exact = {"min_positives": frauds, "min_distinct_scores": found, "min_fraud_cards": on}
    for more in (0, 1):
        limits = LIMITS.model_copy(update={name: least + more for name, least in exact.items()})
        verdict = judged(labels, scores, cards=cards, limits=limits)
        asked = {"positives", "distinct_scores", "fraud_cards"}
        assert failed(verdict) & asked == (asked if more else set())


def test_a_score_at_the_review_threshold_is_flagged(labels: NDArray[np.bool_]) -> None:
    """In cost as in calibration the threshold itself belongs to what is reviewed."""
    scores = np.where(np.arange(ROWS) < 100, 0.5, np.minimum(scorer(labels, 2.5), 0.2))
    verdict = judged(labels, scores, review=0.5)
    assert "Of 100 rows at or above" in check_of(verdict, "flagged_calibration").sentence
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
    found = check_of(judged(labels, scorer(labels, 2.5), cards=on, limits=limits), "resamples")
    assert found.passed is defined
    assert found.value is not None
    assert (found.value < 0.75) is not defined


def test_no_fraud_at_all_fails_without_an_exception(labels: NDArray[np.bool_]) -> None:
    """A period without fraud is a verdict, not a crash, with or without a champion."""
    none = np.zeros(ROWS, dtype=bool)
    scores = scorer(labels, 2.5)
    verdict = judged(none, scores, champion=scores)
    assert {"positives", "average_precision", "too_good", "champion"} <= failed(verdict)


def test_a_badly_calibrated_candidate_fails(labels: NDArray[np.bool_]) -> None:
    """Scores in the right order but at the wrong height fail on both checks of calibration.

    At that height nearly everything is flagged, which costs more than no model at all.
    """
    verdict = judged(labels, scorer(labels, 2.5) ** 0.3)
    assert failed(verdict) == {"calibration", "flagged_calibration", "cost"}


@pytest.mark.parametrize("times", [0.2, 4.0])
def test_odds_that_are_wrong_where_they_decide_fail(
    labels: NDArray[np.bool_], times: float
) -> None:
    """Odds that are that many times too high pass over all rows and fail over the flagged ones."""
    scores = scorer(labels, 2.5)
    odds = times * scores / (1 - scores)
    verdict = judged(labels, odds / (1 + odds))
    assert failed(verdict) == {"flagged_calibration"}
    flagged = odds / (1 + odds) >= 0.3
    share = labels[flagged].mean()
    assert f"Of {flagged.sum()} rows" in verdict.reasons[0]
    assert f"{share:.4f} are frauds" in verdict.reasons[0]
    loose = LIMITS.model_copy(update={"max_flagged_calibration_gap": 0.3})
    assert judged(labels, odds / (1 + odds), limits=loose).passed


def test_few_flagged_rows_are_not_judged_and_chance_excuses_a_gap(
    labels: NDArray[np.bool_],
) -> None:
    """Below fifty flagged rows nothing is said; from there on the binomial interval decides."""
    legitimate = np.flatnonzero(~labels)
    found = {}
    for count in (49, 50):
        scores = np.minimum(scorer(labels, 2.5), 0.29)
        scores[legitimate[:count]] = 0.9
        found[count] = check_of(judged(labels, scores), "flagged_calibration")
    assert (found[49].passed, found[49].value) == (True, None)
    assert found[49].sentence.startswith("49 rows lie at or above the review threshold")
    assert not found[50].passed
    assert found[50].value == pytest.approx(0.9)
    strict = LIMITS.model_copy(update={"max_flagged_calibration_gap": 0.0})
    excused = check_of(judged(labels, scorer(labels, 2.5), limits=strict), "flagged_calibration")
    assert excused.passed
    assert excused.value is not None
    assert excused.value > 0
    assert "which chance explains" in excused.sentence


def test_a_slow_candidate_fails(labels: NDArray[np.bool_]) -> None:
    """A measured latency above the limit fails; at the limit it passes."""
    scores = scorer(labels, 2.5)
    assert failed(judged(labels, scores, latency_p99_ms=10.1)) == {"latency"}
    assert judged(labels, scores, latency_p99_ms=10.0).passed


@pytest.mark.parametrize("allowed", [True, False])
def test_a_latency_that_was_not_measured_passes_by_allowance_only(
    labels: NDArray[np.bool_], allowed: bool
) -> None:
    """The policy says whether it may be left out, and the sentence says what the policy says."""
    limits = LIMITS.model_copy(update={"allow_unmeasured_latency": allowed})
    verdict = judged(labels, scorer(labels, 2.5), limits=limits)
    assert failed(verdict) == (set() if allowed else {"latency"})
    said = "the policy allows that." if allowed else "the policy does not allow that."
    assert check_of(verdict, "latency").sentence.endswith(said)


def test_the_same_input_gives_the_same_verdict_and_finite_json(labels: NDArray[np.bool_]) -> None:
    """The gate is a pure function, and its verdict survives the way through JSON."""
    scores, champion = scorer(labels, 2.5), scorer(labels, 2.4, seed=2)
    cards = np.arange(ROWS) // 3
    first = judged(labels, scores, champion=champion, cards=cards)
    assert first == judged(labels, scores, champion=champion, cards=cards)
    assert GateVerdict.model_validate_json(first.model_dump_json()) == first
