import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.contracts.policy import GateLimits
from cardfraud.evaluation.gate import FAIRNESS_NOT_ASSESSED, GateVerdict, judge

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


def _judge(labels: NDArray[np.bool_], candidate: Floats, **rest: object) -> GateVerdict:
    rest = {"limits": LIMITS, **rest}
    return judge(labels, candidate, review_threshold=0.3, **rest)  # type: ignore[arg-type]


def _failed(verdict: GateVerdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.passed}


def test_a_good_first_model_passes(labels: NDArray[np.bool_]) -> None:
    """Without a champion a good candidate passes, and every check says a sentence."""
    verdict = _judge(labels, _scorer(labels, 2.5))
    assert verdict.passed
    assert verdict.reasons == ()
    assert verdict.comparison is None
    assert all(check.sentence.endswith(".") for check in verdict.checks)


def test_a_better_candidate_passes_against_the_champion(labels: NDArray[np.bool_]) -> None:
    """A candidate with more skill than the champion passes on the same rows."""
    verdict = _judge(labels, _scorer(labels, 2.5), champion=_scorer(labels, 1.8, seed=2))
    assert verdict.passed
    assert verdict.comparison is not None
    assert verdict.comparison.difference.low > 0


def test_a_worse_candidate_fails_against_the_champion(labels: NDArray[np.bool_]) -> None:
    """A candidate with less skill fails on the comparison alone, and says by how much."""
    verdict = _judge(labels, _scorer(labels, 2.0), champion=_scorer(labels, 3.0, seed=2))
    assert _failed(verdict) == {"champion"}
    assert "Against the champion average precision changes by -" in verdict.reasons[0]


def test_a_slightly_worse_candidate_fails_when_it_may_be_much_worse(
    labels: NDArray[np.bool_],
) -> None:
    """The interval's lower end decides: a small measured loss that may be a large one is refused.

    Champion and candidate have the same skill here and noise of their own.
    """
    limits = LIMITS.model_copy(update={"max_average_precision_drop": 0.02})
    champion = _scorer(labels, 2.5, seed=8)
    verdict = _judge(labels, _scorer(labels, 2.5), champion=champion, limits=limits)
    assert verdict.comparison is not None
    gap = verdict.comparison.difference
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
    assert verdict.comparison is not None
    gap = verdict.comparison.difference
    assert -LIMITS.max_average_precision_drop < gap.low < gap.estimate < 0
    assert verdict.passed


def test_a_candidate_equal_to_the_champion_passes(labels: NDArray[np.bool_]) -> None:
    """A retrained model that scores alike is no reason to stop."""
    scores = _scorer(labels, 2.5)
    assert _judge(labels, scores, champion=scores).passed


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


def test_no_fraud_at_all_fails_without_an_exception(labels: NDArray[np.bool_]) -> None:
    """A period without fraud is a verdict, not a crash, with or without a champion."""
    none = np.zeros(ROWS, dtype=bool)
    scores = _scorer(labels, 2.5)
    verdict = _judge(none, scores, champion=scores)
    assert {"positives", "average_precision", "champion"} <= _failed(verdict)


def test_a_badly_calibrated_candidate_fails(labels: NDArray[np.bool_]) -> None:
    """Scores in the right order but at the wrong height fail on calibration alone."""
    assert _failed(_judge(labels, _scorer(labels, 2.5) ** 0.3)) == {"calibration"}


def test_an_unfair_candidate_fails(labels: NDArray[np.bool_]) -> None:
    """A candidate that flags half of one segment's good customers fails on fairness."""
    segments = np.where(np.arange(ROWS) % 2 == 0, "north", "south")
    scores = _scorer(labels, 2.5)
    limits = LIMITS.model_copy(update={"max_calibration_error": 1.0})
    assert _judge(labels, scores, segments=segments, limits=limits).passed
    raised = np.where((segments == "south") & ~labels & (np.arange(ROWS) % 4 < 2), 0.35, scores)
    assert "fairness" in _failed(_judge(labels, raised, segments=segments, limits=limits))


def test_data_without_segments_says_that_fairness_was_not_assessed(
    labels: NDArray[np.bool_],
) -> None:
    """Whether unassessed fairness passes is the policy's choice; it is said in either case."""
    scores = _scorer(labels, 2.5)
    for allowed in (True, False):
        limits = LIMITS.model_copy(update={"allow_unassessed_fairness": allowed})
        verdict = _judge(labels, scores, limits=limits)
        (check,) = [check for check in verdict.checks if check.name == "fairness"]
        assert check.sentence.startswith(FAIRNESS_NOT_ASSESSED)
        assert verdict.passed is allowed


def test_a_small_segment_is_not_compared(labels: NDArray[np.bool_]) -> None:
    """A segment of a few rows has no rate worth comparing, so one large segment is not enough."""
    segments = np.array(["large"] * (ROWS - 20) + ["small"] * 20, dtype=object)
    verdict = _judge(labels, _scorer(labels, 2.5), segments=segments)
    (check,) = [check for check in verdict.checks if check.name == "fairness"]
    assert check.value is None


def test_a_slow_candidate_fails(labels: NDArray[np.bool_]) -> None:
    """A measured latency above the limit fails; at the limit it passes."""
    scores = _scorer(labels, 2.5)
    assert _failed(_judge(labels, scores, latency_p99_ms=10.1)) == {"latency"}
    assert _judge(labels, scores, latency_p99_ms=10.0).passed


def test_the_same_input_gives_the_same_verdict_and_finite_json(labels: NDArray[np.bool_]) -> None:
    """The gate is a pure function, and its verdict survives the way through JSON."""
    scores, champion = _scorer(labels, 2.5), _scorer(labels, 2.4, seed=2)
    cards = np.arange(ROWS) // 3
    first = _judge(labels, scores, champion=champion, cards=cards)
    assert first == _judge(labels, scores, champion=champion, cards=cards)
    assert GateVerdict.model_validate_json(first.model_dump_json()) == first
