import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.contracts.policy import CostMatrix, GateLimits, Thresholds
from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.actions import act
from cardfraud.evaluation.card_precision import ResampledCardPrecision, card_precision
from cardfraud.evaluation.classification import (
    auc_roc,
    average_precision,
    classification_metrics,
)
from cardfraud.evaluation.comparison import Comparison, Estimates, compare
from cardfraud.evaluation.cost import cost_summary
from cardfraud.evaluation.held_out import HeldOut, Scored
from cardfraud.evaluation.intervals import Interval, exact_share, percentile_interval
from cardfraud.evaluation.measures import Decisions, Separation
from cardfraud.evaluation.resampling import Sample, bootstrap, grouped

Floats = NDArray[np.float64]
THRESHOLDS = Thresholds(review=0.5, decline=0.6)
LIMITS = GateLimits(bootstrap_samples=200)


def _rows(seed: int = 0, rows: int = 2_000, cards: int = 300) -> tuple[HeldOut, Floats, Floats]:
    """Rows, a scorer that knows something, with ties, and noise."""
    random = np.random.default_rng(seed)
    y = random.random(rows) < 0.1
    held_out = HeldOut(
        labels=y,
        amounts=random.lognormal(3, 1, rows),
        days=random.integers(0, 4, rows),
        cards=np.char.add("c", random.integers(0, cards, rows).astype(np.str_)),
        segments=None,
        features=np.zeros((rows, 0), dtype=np.float32),
    )
    return held_out, np.round(0.3 * y + 0.7 * random.random(rows), 2), random.random(rows)


def _scored(scores: Floats) -> Scored:
    return Scored(scores.astype(np.float32), THRESHOLDS)


def _compare(rows: HeldOut, one: Floats, other: Floats | None = None, seed: int = 0) -> Comparison:
    champion = None if other is None else _scored(other)
    return compare(rows, _scored(one), champion, costs=CostMatrix(), limits=LIMITS, k=40, seed=seed)


def _of(estimates: Estimates | None, name: str) -> Interval:
    found = getattr(estimates, name)
    assert isinstance(found, Interval)
    return found


def test_each_estimate_is_the_figure_itself_and_lies_in_its_interval() -> None:
    """What the bootstrap measures is what scikit-learn and the plain functions measure."""
    rows, scores, _ = _rows()
    found = _compare(rows, scores).candidate
    s = scores.astype(np.float32)
    at_review = classification_metrics(rows.labels, s, threshold=0.5)
    ranked = card_precision(rows.days, rows.cards, rows.labels, s, k=40)
    cost = cost_summary(
        rows.labels, s, rows.amounts, costs=CostMatrix(), actions=act(s, THRESHOLDS)
    )
    expected = {
        "average_precision": average_precision(rows.labels, s),
        "auc_roc": auc_roc(rows.labels, s),
        "card_precision": ranked.mean,
        "card_precision_share": ranked.share_of_ceiling,
        "recall": at_review.recall,
        "precision": at_review.precision,
        "false_positive_rate": at_review.false_positives / (~rows.labels).sum(),
        "loss_prevented": 1 - cost.missed_fraud / cost.flag_nothing,
        "cost_per_thousand": 1000 * cost.total / len(s),
    }
    assert set(expected) == set(Estimates.model_fields)
    for name, value in expected.items():
        interval = _of(found, name)
        assert interval.estimate == pytest.approx(value), name
        assert interval.low < interval.estimate < interval.high, name


def test_a_resample_counts_a_card_as_often_as_it_was_drawn() -> None:
    """Weights give what copying the rows gives, each copy a card of its own."""
    rows, scores, _ = _rows(rows=400, cards=60)
    cards, s = grouped(rows.cards, 400), scores.astype(np.float32)
    random = np.random.default_rng(1)
    drawn = random.integers(1, 4, size=(cards.size, 1)) * (random.random((cards.size, 1)) < 0.4)
    times = drawn.astype(np.float64)
    copies = [(row, copy) for row in range(400) for copy in range(int(times[cards.index[row], 0]))]
    taken = np.array([row for row, _ in copies])
    names = np.array([f"{rows.cards[row]}-{copy}" for row, copy in copies])
    y, scored = rows.labels[taken], s[taken]
    separation = Separation(rows.labels, s, cards)(times)
    assert separation["average_precision"][0] == pytest.approx(average_precision(y, scored))
    assert separation["auc_roc"][0] == pytest.approx(auc_roc(y, scored))
    decisions = Decisions(rows, _scored(scores), CostMatrix(), cards)(times)
    actions = act(scored, THRESHOLDS)
    cost = cost_summary(y, scored, rows.amounts[taken], costs=CostMatrix(), actions=actions)
    assert decisions["cost_per_thousand"][0] == pytest.approx(1000 * cost.total / len(y))
    # Ties aside, which copies have and cards have not: a hair of noise keeps the order.
    apart = s + np.random.default_rng(2).random(400, dtype=np.float32) / np.float32(1000)
    for k in (1, 4, 10, 1000):
        resampled = ResampledCardPrecision(rows.days, rows.labels, apart, cards, k=k)(times)
        copied = card_precision(rows.days[taken], names, y, apart[taken], k=k)
        assert resampled["card_precision"][0] == pytest.approx(copied.mean)
        assert resampled["card_precision_share"][0] == pytest.approx(copied.share_of_ceiling)


def test_a_single_card_leaves_the_interval_without_width() -> None:
    """A resample of one group alone is the data itself."""
    rows, scores, _ = _rows()
    alone = HeldOut(rows.labels, rows.amounts, rows.days, np.full(2_000, "c"), None, rows.features)
    found = _of(_compare(alone, scores).candidate, "average_precision")
    assert found.low == pytest.approx(found.estimate)
    assert found.high == pytest.approx(found.estimate)


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others() -> None:
    """Draws come from the seed alone."""
    rows, scores, noise = _rows()
    first = _compare(rows, scores, noise, seed=1)
    assert first == _compare(rows, scores, noise, seed=1)
    assert first != _compare(rows, scores, noise, seed=2)


def test_a_scorer_compared_with_itself_differs_by_exactly_zero() -> None:
    """Pairing means that both scorers see the same resample, in every figure."""
    rows, scores, _ = _rows()
    found = _compare(rows, scores, scores)
    for name in Estimates.model_fields:
        gap = _of(found.difference, name)
        assert (gap.estimate, gap.low, gap.high) == (0.0, 0.0, 0.0), name
    assert found.cost is not None
    assert found.cost.change is not None
    assert (found.cost.change.low, found.cost.change.high) == (0.0, 0.0)


def test_pairing_makes_the_interval_of_the_difference_narrow() -> None:
    """Two scorers that are nearly the same differ by less than either varies."""
    rows, scores, noise = _rows()
    found = _compare(rows, scores, scores + 0.01 * noise)
    for name in ("average_precision", "card_precision", "cost_per_thousand"):
        gap, own = _of(found.difference, name), _of(found.candidate, name)
        assert gap.high - gap.low < (own.high - own.low) / 2, name


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Of 60 data sets drawn anew, the 80 % interval covers the large-sample value most times."""
    rows, scores, _ = _rows(seed=999, rows=200_000)
    truth = average_precision(rows.labels, scores)
    assert truth is not None
    covered = 0
    for seed in range(60):
        rows, scores, _ = _rows(seed=seed, rows=600)
        groups = grouped(None, 600)
        measure = Separation(rows.labels, scores, groups)
        drawn = bootstrap(measure, groups, resamples=100, seed=seed)
        found = percentile_interval(drawn["average_precision"], 0.8)
        assert found is not None
        covered += found.low <= truth <= found.high
    assert 38 <= covered <= 57


def test_drawing_cards_as_a_whole_widens_the_interval_when_rows_repeat() -> None:
    """Ten copies of each row carry no more evidence than one; only the grouped draw knows."""
    rows, scores, _ = _rows(rows=300)
    y, s = np.tile(rows.labels, 10), np.tile(scores, 10)
    width = {}
    for name, groups in (("rows", None), ("cards", np.tile(np.arange(300), 10))):
        made = grouped(groups, 3_000)
        drawn = bootstrap(Separation(y, s, made), made, resamples=200, seed=0)
        found = percentile_interval(drawn["average_precision"], 0.95)
        assert found is not None
        width[name] = found.high - found.low
    assert width["cards"] > 2 * width["rows"]


def test_many_resamples_are_drawn_in_parts_that_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How much memory there is does not decide what is drawn."""
    rows, scores, _ = _rows()
    whole = _compare(rows, scores)
    monkeypatch.setattr("cardfraud.evaluation.resampling._CHUNK_CELLS", 7 * 2_000)
    assert _compare(rows, scores) == whole


def test_undefined_figures_are_none_and_bad_arguments_are_refused() -> None:
    """Without frauds there is no average precision; without draws there is no interval."""
    rows, scores, _ = _rows(rows=50)
    none = HeldOut(np.zeros(50, bool), rows.amounts, rows.days, rows.cards, None, rows.features)
    found = _compare(none, scores).candidate
    assert found.average_precision is None
    assert found.recall is None
    assert found.card_precision_share is None
    assert found.false_positive_rate is not None
    groups = grouped(None, 50)
    with pytest.raises(InvalidSetting, match="resamples"):
        bootstrap(Separation(rows.labels, scores, groups), groups, resamples=0, seed=0)
    with pytest.raises(InvalidSetting, match="level"):
        percentile_interval(Sample(1.0, np.ones(3)), 1.0)


def test_an_exact_share_has_the_textbook_interval() -> None:
    """Clopper and Pearson's interval of 0, of 4 and of 10 in 10, as tables give it."""
    for successes, low, high in ((0, 0.0, 0.3085), (4, 0.1216, 0.7376), (10, 0.6915, 1.0)):
        found = exact_share(successes, 10, 0.95)
        assert found is not None
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)
    assert exact_share(0, 0, 0.95) is None
