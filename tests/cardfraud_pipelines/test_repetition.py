import io

import pytest
from rich.console import Console

from cardfraud.steps.train.differences import Difference
from cardfraud.steps.train.repeat import Repetition
from cardfraud_pipelines.repetition import print_repetition

BEFORE, AFTER = "a" * 64, "b" * 64
LOCK = Difference(what="lock_sha256", recorded="1", found="2")


def printed(**changes: object) -> str:
    """What is printed of a repetition."""
    given = {
        "run_id": "0" * 32,
        "algorithm": "random_forest",
        "recorded_sha256": BEFORE,
        "repeated_sha256": BEFORE,
        "differences": (),
        **changes,
    }
    out = io.StringIO()
    print_repetition(Repetition.model_validate(given), Console(file=out, width=120))
    return out.getvalue()


def test_the_same_bytes_are_said_with_their_digest() -> None:
    """A repetition that came out alike says so, and that nothing differs."""
    text = printed()
    assert f"Same bytes: sha256-{BEFORE}" in text
    assert "Nothing differs" in text


def test_what_differs_without_effect_is_still_listed() -> None:
    """Same bytes under another lock: both are said."""
    text = printed(differences=(LOCK,))
    assert "Same bytes" in text
    assert "without effect" in text
    assert "lock_sha256" in text


@pytest.mark.parametrize(("apart", "said"), [(0.25, "test rows: 0.25"), (None, "lack features")])
def test_other_bytes_are_said_with_both_digests_and_the_difference(
    apart: float | None, said: str
) -> None:
    """Both digests, how far the scores are apart where that can be said, and the list."""
    text = printed(repeated_sha256=AFTER, largest_score_difference=apart, differences=(LOCK,))
    assert "Same bytes" not in text
    assert BEFORE in text
    assert AFTER in text
    assert said in text
    assert "lock_sha256" in text


def test_a_run_that_could_not_be_repeated_says_why() -> None:
    """The reason is the library's own sentence, brackets and all."""
    text = printed(repeated_sha256=None, failure="train: no rows [2024-03-01]")
    assert "Not repeated: train: no rows [2024-03-01]" in text
