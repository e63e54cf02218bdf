import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.errors import InvalidFrame
from cardfraud.evaluation.slices import WorstSlices, worst_slices

ROWS = 20_000


def _search(
    labels: NDArray[np.bool_], flagged: NDArray[np.bool_], **dimensions: NDArray[np.str_]
) -> WorstSlices:
    costs = np.where(labels & ~flagged, 100.0, np.where(flagged, 5.0, 0.0))
    return worst_slices(labels, flagged, costs, dimensions)


def _world(
    seed: int = 0,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], dict[str, NDArray[np.str_]]]:
    """Rows on which eight frauds in ten are caught and one other row in a hundred is flagged."""
    random = np.random.default_rng(seed)
    labels = random.random(ROWS) < 0.05
    flagged = random.random(ROWS) < np.where(labels, 0.8, 0.01)
    names = {
        "hour": random.choice(["day", "night"], ROWS),
        "amount": random.choice(["small", "middle", "large"], ROWS),
        "segment": random.choice(["new", "old"], ROWS),
    }
    return labels, flagged, names


def test_a_planted_hole_is_found_by_its_two_conditions() -> None:
    """Frauds that are all missed at night among new users lead the list, exactly counted."""
    labels, flagged, names = _world()
    hole = (names["hour"] == "night") & (names["segment"] == "new") & labels
    flagged = flagged & ~hole
    worst = _search(labels, flagged, **names).misses[0]
    assert worst.where == {"hour": "night", "segment": "new"}
    assert worst.beyond_chance
    assert (worst.frauds, worst.missed) == (hole.sum(), hole.sum())
    inside = (names["hour"] == "night") & (names["segment"] == "new")
    assert worst.rows == inside.sum()
    assert worst.false_alerts == (inside & flagged & ~labels).sum()
    assert worst.cost == pytest.approx(100.0 * hole.sum() + 5.0 * worst.false_alerts)
    assert worst.recall is not None
    assert (worst.recall.estimate, worst.recall.low) == (0.0, 0.0)


def test_planted_false_alerts_are_found_by_their_one_condition() -> None:
    """A slice of one dimension is not split further when no split is worse."""
    labels, flagged, names = _world()
    wild = (names["amount"] == "large") & (np.arange(ROWS) % 10 == 0)
    found = _search(labels, flagged | wild, **names).false_alerts
    assert [each.where for each in found if each.beyond_chance] == [{"amount": "large"}]
    assert found[0].false_positive_rate is not None
    assert found[0].false_positive_rate.estimate > 0.1


def test_noise_is_not_called_more_than_noise() -> None:
    """Over ten worlds without any weak slice, hardly one slice is said to be beyond chance."""
    said = 0
    for seed in range(10):
        labels, flagged, names = _world(seed)
        found = _search(labels, flagged, **names)
        said += any(each.beyond_chance for each in (*found.misses, *found.false_alerts))
    assert said <= 1


def test_slices_without_support_are_not_judged() -> None:
    """Nine missed frauds in a slice are too few to be listed, ten are enough."""
    rare = np.arange(2_000) % 4 == 0
    for frauds, listed in ((9, False), (10, True)):
        labels = np.zeros(2_000, dtype=bool)
        labels[1:401:4] = True  # a hundred frauds outside, all caught
        labels[: 4 * frauds : 4] = True  # these few inside, all missed
        kind = np.where(rare, "rare", "usual")
        found = _search(labels, labels & ~rare, kind=kind)
        assert any(each.where == {"kind": "rare"} for each in found.misses) is listed


def test_every_slice_is_looked_at_and_counted() -> None:
    """Two, three and two values make 7 slices of one dimension and 16 of two."""
    labels, flagged, names = _world()
    found = _search(labels, flagged, **names)
    assert found.searched == 7 + 16
    assert found.overall.rows == ROWS
    assert found.overall.where == {}
    assert len(found.misses) <= 5


def test_rows_without_frauds_or_dimensions_give_an_empty_list() -> None:
    """Nothing to search is no error; a dimension of another length is."""
    none = np.zeros(10, dtype=bool)
    assert _search(none, none).misses == ()
    assert _search(none, none, kind=np.full(10, "a")).false_alerts == ()
    with pytest.raises(InvalidFrame, match="kind"):
        _search(none, none, kind=np.full(9, "a"))
