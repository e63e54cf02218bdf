import numpy as np

from cardfraud.evaluation.held_out import HeldOut
from cardfraud.steps.evaluate.dimensions import dimensions

FEATURES = {
    "hour_of_day": [0.0, 5.0, 6.0, 23.0],
    "total_transactions": [0.0, 1.0, 9.0, 50.0],
    "merchant_count_30d": [0.0, 3.0, 3.0, 3.0],
    "merchant_fraud_share_30d": [0.0, 0.0, 0.5, 0.0],
}


def _rows(names: tuple[str, ...], segments: list[str | None] | None) -> HeldOut:
    return HeldOut(
        labels=np.zeros(4, dtype=np.bool_),
        amounts=np.array([0.0, 9.99, 10.0, 500.0]),
        days=np.array([0, 1, 1, 19_786]),
        cards=np.array(["a", "a", "b", "c"]),
        segments=None if segments is None else np.array(segments, dtype=object),
        features=np.array([FEATURES[name] for name in names], dtype=np.float32).reshape(-1, 4).T,
        feature_names=names,
    )


def test_each_row_is_named_by_its_band() -> None:
    """A band holds its lower end and not its upper one; a new user and an unknown merchant show."""
    found = dimensions(_rows(tuple(FEATURES), ["old", None, "old", "new"]))
    assert {name: values.tolist() for name, values in found.items()} == {
        "amount": ["0 to 10", "0 to 10", "10 to 50", "500 and more"],
        "day": ["01 Jan 1970", "02 Jan 1970", "02 Jan 1970", "04 Mar 2024"],
        "hour": ["0 to 6", "0 to 6", "6 to 12", "18 to 24"],
        "user's transactions": ["0", "1 to 10", "1 to 10", "50 and more"],
        "merchant": ["unknown", "no fraud known", "frauds known", "no fraud known"],
        "segment": ["old", "none", "old", "new"],
    }


def test_what_the_rows_do_not_carry_is_no_dimension() -> None:
    """Without features and segments the amount and the day are left."""
    assert set(dimensions(_rows((), None))) == {"amount", "day"}
