from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cardfraud.contracts.policy import Decision
from cardfraud.contracts.scoring import (
    MAX_INSTANCES,
    FeatureHealth,
    InvalidInstances,
    ModelVersion,
    PolicyVersion,
    Prediction,
    TooLarge,
    parse_instances,
)
from cardfraud.errors import InvalidInput
from tests.support.transactions import record


def instances(count: int) -> list[dict[str, Any]]:
    """Return that many good instances."""
    return [record(transaction_id=f"t{number}") for number in range(count)]


def test_good_instances_keep_their_order() -> None:
    """As many transactions come out as instances went in, in their order."""
    parsed = parse_instances({"instances": instances(MAX_INSTANCES)})
    assert [t.transaction_id for t in parsed] == [f"t{n}" for n in range(MAX_INSTANCES)]


def test_one_bad_instance_spoils_the_request() -> None:
    """One good and one bad instance: nothing is returned, and the bad one is named."""
    bad = record(transaction_id="t9", amount=-1)
    with pytest.raises(InvalidInstances) as caught:
        parse_instances({"instances": [*instances(1), bad]})
    assert caught.value.status == 400
    details = caught.value.details()
    assert [(d["index"], d["field"]) for d in details] == [(1, "amount")]
    assert "0" in str(details[0]["reason"])


def test_an_identifier_that_stands_twice_is_refused() -> None:
    """The second of two instances with one transaction id is at fault."""
    with pytest.raises(InvalidInstances) as caught:
        parse_instances({"instances": [record(), record(), record()]})
    assert [d["index"] for d in caught.value.details()] == [1, 2]


def test_faults_are_counted_but_not_all_told() -> None:
    """A request with a thousand bad instances gets a hundred details and the whole count."""
    bad = [record(transaction_id=f"t{n}", amount=-1) for n in range(MAX_INSTANCES)]
    with pytest.raises(InvalidInstances, match="and 999 more") as caught:
        parse_instances({"instances": bad})
    assert len(caught.value.details()) == 100


def test_too_many_instances_are_refused_by_their_number() -> None:
    """One instance more than allowed is too large, with the status that says so."""
    with pytest.raises(TooLarge) as caught:
        parse_instances({"instances": instances(MAX_INSTANCES + 1)})
    assert caught.value.status == 413
    assert (caught.value.limit, caught.value.actual) == (MAX_INSTANCES, MAX_INSTANCES + 1)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "instances",
        {},
        {"instances": {}},
        {"instances": []},
        {"instances": [record()], "explain": True},
    ],
)
def test_another_body_is_refused(body: object) -> None:
    """A body of another form, or with nothing in it, is refused."""
    with pytest.raises(InvalidInput) as caught:
        parse_instances(body)
    assert caught.value.status == 400


@given(st.dictionaries(st.text(max_size=12), st.lists(st.none() | st.integers()), max_size=3))
def test_any_mapping_is_refused_in_order(body: dict[str, Any]) -> None:
    """No mapping of wrong values gets through, and none raises another error."""
    with pytest.raises(InvalidInput):
        parse_instances(body)


def prediction(**changes: Any) -> Prediction:
    """Return an answer."""
    return Prediction(
        **{
            "transaction_id": "t1",
            "probability": 0.25,
            "decision": Decision.REVIEW,
            "model": ModelVersion(name="fraud", version="sha256-0", track="stable"),
            "policy": PolicyVersion(version="sha256-1"),
            "features": FeatureHealth(age_seconds=None),
            **changes,
        }
    )


def test_the_answer_has_the_documented_form() -> None:
    """An answer as JSON has exactly the documented fields, null where nothing is known."""
    assert prediction().model_dump(mode="json") == {
        "transaction_id": "t1",
        "probability": 0.25,
        "decision": "review",
        "reasons": [],
        "model": {"name": "fraud", "version": "sha256-0", "track": "stable"},
        "policy": {"version": "sha256-1"},
        "features": {
            "age_seconds": None,
            "missing": [],
            "stale": [],
            "degraded": False,
            "late": False,
        },
    }


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_probability_outside_0_to_1_is_no_answer(probability: float) -> None:
    """An answer can't carry what is no probability."""
    with pytest.raises(ValidationError):
        prediction(probability=probability)
