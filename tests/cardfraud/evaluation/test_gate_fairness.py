from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import CostMatrix
from cardfraud.evaluation.gate import FAIRNESS_NOT_ASSESSED
from tests.cardfraud.evaluation.judged import (
    LIMITS,
    ROWS,
    check_of,
    failed,
    judged,
    scorer,
)


def test_an_unfair_candidate_fails(labels: NDArray[np.bool_]) -> None:
    """A candidate that stops a few per cent more of one segment's customers fails on fairness."""
    segments = np.where(np.arange(ROWS) % 2 == 0, "north", "south").astype(object)
    scores = scorer(labels, 2.5)
    assert judged(labels, scores, segments=segments).passed
    some = (np.arange(ROWS) % 20 == 1) & ~labels
    limits = LIMITS.model_copy(update={"max_flagged_calibration_gap": 1.0})
    unfair = judged(labels, np.where(some, 0.35, scores), segments=segments, limits=limits)
    assert failed(unfair) == {"fairness"}
    assert "chance does not explain" in unfair.reasons[0]


def test_who_is_declined_is_judged_beside_who_is_stopped(labels: NDArray[np.bool_]) -> None:
    """A rule may turn the reviews of one segment into declines: as many are stopped, not alike."""
    segments = np.where(np.arange(ROWS) % 2 == 0, "north", "south").astype(object)
    scores = np.where((np.arange(ROWS) % 16 < 2) & ~labels, 0.35, scorer(labels, 2.5))
    scores = np.where((scores == 0.35) & (segments == "south"), 0.36, scores)
    limits = LIMITS.model_copy(update={"max_flagged_calibration_gap": 1.0})
    given: dict[str, Any] = {"segments": segments, "limits": limits, "review": 0.355}
    given["costs"] = CostMatrix(review=0.0, false_decline=0.0)
    both = failed(judged(labels, scores, **given | {"review": 0.3}))
    assert "fairness" not in both
    verdict = judged(labels, scores, decline=0.355, **given | {"review": 0.3})
    assert "fairness_at_decline" in failed(verdict)
    assert "fairness" not in failed(verdict)
    assert verdict.fairness_at_decline is not None
    assert "Of what is declined" in check_of(verdict, "fairness_at_decline").sentence


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
        scores = np.where(some, 0.35, scorer(labels, 2.5))
        verdict = judged(labels, scores, segments=segments, limits=limits)
        assert verdict.fairness is not None
        assert verdict.fairness.difference is not None
        p, gap = verdict.fairness.p_value, verdict.fairness.difference.estimate
        fails = gap > 0.005 and p <= 1 - limits.confidence
        assert ("fairness" in failed(verdict)) is fails
        seen.append(p)
    assert any(0.01 < p <= 0.05 for p in seen)


def test_data_without_segments_says_that_fairness_was_not_assessed(
    labels: NDArray[np.bool_],
) -> None:
    """Whether unassessed fairness passes is the policy's choice; it is said in either case."""
    scores = scorer(labels, 2.5)
    for allowed in (True, False):
        limits = LIMITS.model_copy(update={"allow_unassessed_fairness": allowed})
        verdict = judged(labels, scores, limits=limits)
        assert check_of(verdict, "fairness").sentence.startswith(FAIRNESS_NOT_ASSESSED)
        assert verdict.passed is allowed


def test_a_small_segment_is_named_and_not_compared(labels: NDArray[np.bool_]) -> None:
    """A segment of a few rows has no rate worth comparing, so one large segment is not enough."""
    segments = np.array(["large"] * (ROWS - 20) + ["small"] * 20, dtype=object)
    verdict = judged(labels, scorer(labels, 2.5), segments=segments)
    assert check_of(verdict, "fairness").value is None
    assert (
        "fewer than two segments have 500 legitimate rows" in check_of(verdict, "fairness").sentence
    )
    assert verdict.fairness is not None
    assert verdict.fairness.not_compared == ("small",)
