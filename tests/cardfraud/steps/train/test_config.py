from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from tests.support.training import config, days


def test_each_period_waits_for_the_labels_of_the_one_before() -> None:
    """The gap between two periods is at least the maturity of the labels, or it is refused."""
    assert config(train=days(0, 12), validation=days(19, 26), test=days(33, 42)).split == "time"
    with pytest.raises(ValidationError, match=r"labels of train .* validation begins"):
        config(train=days(0, 13))
    with pytest.raises(ValidationError, match=r"labels of validation .* test begins"):
        config(validation=days(19, 27))


def test_periods_out_of_order_are_refused() -> None:
    """Training on what comes after the test is refused like any overlap."""
    with pytest.raises(ValidationError, match="labels of train"):
        config(train=days(33, 42), validation=days(19, 26), test=days(0, 12))


def test_training_never_sees_labels_of_the_test_period() -> None:
    """The moment of the training lies before the test begins and after the labels are settled."""
    moment = config().test.begins
    assert config().trained_at == moment
    with pytest.raises(ValidationError, match="would see the future"):
        config(labels_as_of=datetime(2024, 4, 3, 0, 0, 1, tzinfo=UTC))
    with pytest.raises(ValidationError, match="before the labels of the validation"):
        config(labels_as_of=datetime(2024, 4, 2, tzinfo=UTC))


def test_the_judgement_waits_for_the_labels_of_the_test_period() -> None:
    """Test labels are read at the earliest when all of them are settled."""
    assert config().judged_at == datetime(2024, 4, 19, tzinfo=UTC)
    with pytest.raises(ValidationError, match="test_labels_as_of"):
        config(test_labels_as_of=datetime(2024, 4, 18, tzinfo=UTC))


def test_the_random_split_has_to_be_named() -> None:
    """There is no other name for it, and by default the split is by time."""
    assert config().split == "time"
    assert config(split="leaky_stratified").split == "leaky_stratified"
    for name in ("random", "stratified", ""):
        with pytest.raises(ValidationError, match="split"):
            config(split=name)


def test_an_empty_period_is_refused() -> None:
    """A period ends after it starts."""
    with pytest.raises(ValidationError, match="start must lie before end"):
        days(3, 3)
