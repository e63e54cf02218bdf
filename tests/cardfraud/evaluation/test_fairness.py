import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.contracts.policy import GateLimits, Thresholds
from cardfraud.evaluation.fairness import POOLED, Fairness, assess_fairness
from cardfraud.evaluation.held_out import HeldOut, Scored

LIMITS = GateLimits(bootstrap_samples=200, max_segment_gap=0.02)
THRESHOLDS = Thresholds(review=0.5, decline=1.0)


def _assess(
    segments: NDArray[np.object_] | None,
    flagged: NDArray[np.bool_],
    *,
    labels: NDArray[np.bool_] | None = None,
    cards: NDArray[np.int64] | None = None,
    limits: GateLimits = LIMITS,
    seed: int = 0,
) -> Fairness | None:
    count = len(flagged)
    rows = HeldOut(
        labels=np.zeros(count, dtype=np.bool_) if labels is None else labels,
        amounts=np.ones(count),
        days=np.zeros(count, dtype=np.int64),
        cards=(np.arange(count) if cards is None else cards).astype(np.str_),
        segments=segments,
        features=np.zeros((count, 0), dtype=np.float32),
    )
    return assess_fairness(
        rows, Scored(flagged.astype(np.float32), THRESHOLDS), limits=limits, seed=seed
    )


def _fails(found: Fairness | None, limits: GateLimits = LIMITS) -> bool:
    """The gate's rule."""
    assert found is not None
    gap = found.difference
    return (
        gap is not None
        and gap.estimate > limits.max_segment_gap
        and found.p_value <= 1 - limits.confidence
    )


def _named(sizes: dict[str, int]) -> NDArray[np.object_]:
    return np.repeat(np.array(list(sizes), dtype=object), list(sizes.values()))


def test_rates_have_the_values_worked_out_by_hand() -> None:
    """Frauds and rows without a segment are left out; rates, gap, ratio and recalls are exact."""
    segments = _named({"a": 400, "b": 500}).tolist() + [None] * 50
    labels = np.zeros(950, dtype=bool)
    flagged = np.zeros(950, dtype=bool)
    labels[:20] = True  # twenty frauds in a, ten of them caught
    labels[400:425] = True  # twenty-five in b, five of them caught
    flagged[:10] = flagged[400:405] = True
    flagged[20:39] = True  # 19 of the 380 others in a: 0.05
    flagged[425:430] = True  # 5 of the 475 others in b
    flagged[900:] = True
    found = _assess(np.array(segments, dtype=object), flagged, labels=labels)
    assert found is not None
    counts = {s.segment: (s.legitimate, s.false_alerts) for s in found.segments}
    assert counts == {"a": (380, 19), "b": (475, 5)}
    assert found.difference is not None
    assert found.difference.estimate == pytest.approx(0.05 - 5 / 475)
    assert found.ratio == pytest.approx((5 / 475) / 0.05)
    assert found.recall_difference == pytest.approx(0.5 - 0.2)
    assert found.min_legitimate == 250


def test_noise_between_small_segments_does_not_fail_a_fair_model() -> None:
    """Twenty fair models over twelve small segments: at most two are failed by chance."""
    segments = _named({f"s{i:02d}": 260 for i in range(12)})
    apart, failed = 0, 0
    for seed in range(20):
        flagged = np.random.default_rng(seed).random(len(segments)) < 0.015
        found = _assess(segments, flagged)
        assert found is not None
        assert found.difference is not None
        apart += found.difference.estimate > LIMITS.max_segment_gap
        failed += _fails(found)
    assert apart >= 10  # the bare difference would fail most of them
    assert failed <= 2


@pytest.mark.parametrize(("size", "rate"), [(60, 0.3), (300, 0.1), (2_000, 0.1)])
def test_a_really_unfair_model_never_passes(size: int, rate: float) -> None:
    """One segment whose customers are stopped many times as often fails, small or large."""
    segments = _named({"many": 3_000, "few": size})
    rates = np.where(segments == "few", rate, 0.01)
    for seed in range(8):
        flagged = np.random.default_rng(seed).random(len(rates)) < rates
        assert _fails(_assess(segments, flagged)), seed


def test_a_small_segment_is_compared_when_its_rate_is_beyond_chance() -> None:
    """Twenty stopped of thirty is evidence enough, whatever the number of rows."""
    segments = _named({"large": 3_000, "other": 3_000, "small": 30})
    flagged = np.zeros(6_030, dtype=bool)
    flagged[:30] = flagged[3_000:3_030] = True
    quiet = _assess(segments, flagged)
    assert quiet is not None
    assert quiet.not_compared == ("small",)
    assert not _fails(quiet)
    flagged[6_000:6_020] = True
    loud = _assess(segments, flagged)
    assert loud is not None
    assert loud.not_compared == ()
    assert _fails(loud)


def test_many_small_segments_are_compared_as_one() -> None:
    """Sixty villages of thirty rows each: none says anything, all together they do."""
    villages = {f"village {i}": 30 for i in range(60)}
    segments = _named({"city": 6_000, "town": 6_000} | villages)
    rates = np.where(np.arange(len(segments)) < 12_000, 0.01, 0.05)
    flagged = np.random.default_rng(2).random(len(rates)) < rates
    found = _assess(segments, flagged)
    assert found is not None
    assert len(found.not_compared) > 50
    pooled = found.segments[-1]
    assert (pooled.segment, pooled.compared) == (POOLED, True)
    assert pooled.legitimate == 30 * len(found.not_compared)
    assert _fails(found)
    fair = _assess(segments, np.random.default_rng(2).random(len(rates)) < 0.01)
    assert not _fails(fair)


def test_rows_of_one_card_are_no_evidence_against_its_segment() -> None:
    """Sixty alerts on one card are one card's; spread over sixty cards they are the segment's."""
    segments = _named({"a": 2_000, "b": 2_000})
    flagged = np.zeros(4_000, dtype=bool)
    flagged[:60] = True
    together = np.concatenate([np.zeros(60), np.arange(1, 3_941)]).astype(np.int64)
    assert not _fails(_assess(segments, flagged, cards=together))
    assert _fails(_assess(segments, flagged))


def test_what_cannot_be_compared_is_said() -> None:
    """No segments, one segment, and rows that are all frauds give no difference."""
    flagged = np.zeros(600, dtype=bool)
    assert _assess(None, flagged) is None
    alone = _assess(_named({"a": 600}), flagged)
    assert alone is not None
    assert alone.difference is None
    assert alone.p_value == 1.0
    assert _assess(_named({"a": 600}), flagged, labels=~flagged) is None


def test_the_same_seed_gives_the_same_answer() -> None:
    """Permutations and draws come from the seed alone."""
    segments = _named({"a": 500, "b": 500})
    flagged = np.random.default_rng(3).random(1_000) < 0.1
    assert _assess(segments, flagged, seed=4) == _assess(segments, flagged, seed=4)
    assert _assess(segments, flagged, seed=4) != _assess(segments, flagged, seed=5)
