import numpy as np

from cardfraud_pipelines.scorecard.book_features import NAMES, WINDOWS, book_features
from cardfraud_pipelines.scorecard.dataset import Dataset

DAY = 86_400


def _data(count: int = 400) -> Dataset:
    """Few entities over 60 days, with many ties in time and events on window edges."""
    rng = np.random.default_rng(0)
    second = np.sort(rng.integers(0, 60 * 4, count)) * (DAY // 4)
    return Dataset(
        transaction=np.arange(count),
        second=second,
        customer=rng.integers(0, 5, count),
        terminal=rng.integers(0, 5, count),
        amount=np.round(rng.random(count) * 100, 2),
        fraud=rng.random(count) < 0.3,
    )


def _slow(data: Dataset, i: int) -> list[float]:
    """The definition, read out for one row: loops and comparisons only."""
    t = data.second[i]
    before = np.arange(len(data)) <= i
    row = [data.amount[i], float((t // DAY + 3) % 7 >= 5), float(t % DAY // 3600 <= 6)]
    for w in WINDOWS:
        own = before & (data.customer == data.customer[i]) & (data.second > t - w * DAY)
        row += [own.sum(), data.amount[own].mean()]
    there = before & (data.terminal == data.terminal[i])
    for w in WINDOWS:
        # The book subtracts the last seven days from the last seven plus w days.
        long = there & (data.second > t - (7 + w) * DAY)
        known = long & ~(data.second > t - 7 * DAY)
        row += [known.sum(), data.fraud[known].mean() if known.any() else 0.0]
    return row


def test_every_row_equals_the_definition_read_out() -> None:
    """The fast computation gives what loops over all rows give, ties and edges included."""
    data = _data()
    fast = book_features(data)
    slow = np.array([_slow(data, i) for i in range(len(data))])
    assert fast.shape == (len(data), len(NAMES)) == (400, 15)
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-9)


def test_the_future_changes_nothing() -> None:
    """Features of the first half are the same when the second half has not happened yet."""
    data = _data()
    half = Dataset(**{name: getattr(data, name)[:200] for name in Dataset.__dataclass_fields__})
    np.testing.assert_allclose(book_features(half), book_features(data)[:200], rtol=1e-9)


def test_labels_of_the_last_seven_days_are_not_seen() -> None:
    """Turning all labels round changes no feature of a row within seven days of the first."""
    data = _data()
    early = data.second < data.second[0] + 7 * DAY
    other = Dataset(
        **{name: getattr(data, name) for name in Dataset.__dataclass_fields__ if name != "fraud"},
        fraud=~data.fraud,
    )
    np.testing.assert_array_equal(book_features(data)[early], book_features(other)[early])
    assert not np.array_equal(book_features(data), book_features(other))
