import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud import errors
from cardfraud.errors import (
    CardfraudError,
    DataRejected,
    IntegrityError,
    InvalidField,
    NotFound,
    Unavailable,
    shorten,
)


def test_every_error_has_one_root() -> None:
    """Every error class of the module is a CardfraudError with an HTTP status."""
    classes = [
        c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__
    ]
    assert len(classes) >= 10
    for kind in classes:
        assert issubclass(kind, CardfraudError)
        assert 400 <= kind.status < 600


@given(st.text(max_size=5_000), st.text(max_size=5_000))
def test_messages_are_bounded(name: str, reason: str) -> None:
    """No message is longer than 500 characters, whatever is put into an error."""
    for error in (
        InvalidField(name, reason),
        NotFound(name, reason),
        IntegrityError(name, reason, reason),
        Unavailable(name, reason),
        DataRejected(name, [reason] * 5),
    ):
        assert len(error.message) <= 500


def test_only_what_may_pass_is_retryable() -> None:
    """An outage may pass by itself; bad input doesn't."""
    assert Unavailable("object store", "down").retryable
    assert not InvalidField("amount", "negative").retryable


def test_the_hint_stands_behind_the_message() -> None:
    """The text of an error is its message with the hint in brackets."""
    error = NotFound("model", "fraud", hint="publish one first")
    assert str(error) == "model 'fraud' not found (publish one first)"
    assert error.message == "model 'fraud' not found"


def test_a_rejection_keeps_every_failure() -> None:
    """The message tells three failures and counts the others; the list has them all."""
    error = DataRejected("raw data", [f"limit {n}" for n in range(5)])
    assert error.failures == [f"limit {n}" for n in range(5)]
    assert "limit 2; and 2 more" in error.message


@pytest.mark.parametrize("limit", [5, 80])
def test_values_are_cut_in_messages(limit: int) -> None:
    """A long value is cut to the limit and marked as cut."""
    text = shorten("x" * 1_000, limit)
    assert len(text) == limit
    assert text.endswith("…")
