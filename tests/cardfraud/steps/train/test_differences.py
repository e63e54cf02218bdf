from typing import Any

from cardfraud.steps.train.differences import Difference, differences

RECORD: dict[str, Any] = {
    "seed": 1,
    "data": {"dataset": {"objects": [{"key": "a", "sha256": "1"}, {"key": "b", "sha256": "2"}]}},
    "parameters": {"trees": 5, "calibration": {"slope": 1.0}},
    "parity": {"largest_difference": 1e-7},
    "environment": {"libraries": {"numpy": "2.0"}},
}


def test_equal_records_have_no_differences() -> None:
    """A record is like itself."""
    assert differences(RECORD, RECORD) == ()


def test_each_difference_has_its_place_and_both_values() -> None:
    """Objects go by their keys, settings by their dotted names; one that is new or gone is said."""
    found = {
        **RECORD,
        "data": {
            "dataset": {"objects": [{"key": "b", "sha256": "3"}, {"key": "c", "sha256": "4"}]}
        },
        "environment": {"libraries": {"numpy": "2.1"}},
    }
    assert differences(RECORD, found) == (
        Difference(what="a", recorded="1", found="absent"),
        Difference(what="b", recorded="2", found="3"),
        Difference(what="c", recorded="absent", found="4"),
        Difference(what="environment.libraries.numpy", recorded="2.0", found="2.1"),
    )


def test_what_a_fit_gave_is_no_reason_for_what_it_gave() -> None:
    """Calibration and parity come out of a run; they are not among what went in."""
    found = {**RECORD, "parameters": {"trees": 5, "calibration": None}, "parity": {}}
    assert differences(RECORD, found) == ()


def test_of_a_run_that_failed_only_what_was_looked_at_is_compared() -> None:
    """A partial record does not count as one that lacks the rest."""
    assert differences(RECORD, {"seed": 2}, partial=True) == (
        Difference(what="seed", recorded="1", found="2"),
    )
