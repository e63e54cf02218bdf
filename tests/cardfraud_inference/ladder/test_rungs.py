"""Each rung of the ladder: what is answered, that it is counted, and that it ends by itself.

No clock is looked at: a link that stalls never answers, so an answer that comes at all has not
waited for it.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cardfraud.features.definitions import MERCHANT_STATE, USER_HISTORY_STATE
from tests.cardfraud_inference.clients import metric, predict
from tests.cardfraud_inference.ladder.standing import (
    HEALTHY,
    UNREAD,
    Standing,
    ask,
    ask_all,
    fill,
    probability,
    question,
)
from tests.support.faulty_link import Fault, FaultyLink
from tests.support.servers import Address

USER, MERCHANT = USER_HISTORY_STATE.name, MERCHANT_STATE.name
STORE_ERRORS = "cardfraud_feature_store_errors_total"
PREDICTOR_ERRORS = "cardfraud_predictor_errors_total"


@pytest.fixture(params=["split", "fused"])
def address(standing: Standing, request: pytest.FixtureRequest) -> Address:
    """A transformer before a predictor, and one with the model inside."""
    found: Address = getattr(standing, request.param)
    return found


@pytest.fixture
def grown(address: Address) -> Callable[[str], float]:
    """How much a series of that transformer has grown in this test."""
    return _growth(address)


def _growth(address: Address) -> Callable[[str], float]:
    names = [f'cardfraud_rung_total{{rung="{rung}"}}' for rung in RUNGS]
    names += [f'{STORE_ERRORS}{{kind="{kind}"}}' for kind in ("timeout", "Unavailable", "emptied")]
    kinds = ("timeout", "connection", "status", "answer")
    names += [f'{PREDICTOR_ERRORS}{{kind="{kind}"}}' for kind in kinds]
    before = {name: metric(address, name) for name in names}
    return lambda name: metric(address, name) - before[name]


RUNGS = ("full", "stale", "store", "predictor", "unavailable")


def rungs(grown: Callable[[str], float]) -> dict[str, float]:
    """The rungs that were counted in this test."""
    counted = {rung: grown(f'cardfraud_rung_total{{rung="{rung}"}}') for rung in RUNGS}
    return {rung: instances for rung, instances in counted.items() if instances}


def full(standing: Standing, **changes: Any) -> dict[str, Any]:
    """The whole answer where nothing is wrong."""
    return {
        "probability": pytest.approx(probability(), abs=1e-6),
        "decision": "approve",
        "reasons": [],
        "model": {"name": "fraud", "version": standing.bundle, "track": "stable"},
        "policy": {"version": standing.policy},
        "features": HEALTHY,
    } | changes


def without_reasons(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without its reasons, whose words are the policy's matter."""
    return {name: value for name, value in answer.items() if name != "reasons"}


def by_rules(standing: Standing, **changes: Any) -> dict[str, Any]:
    """The answer, without its reasons, where the model was not asked."""
    return without_reasons(
        full(standing, probability=None, decision="review", features=UNREAD) | changes
    )


def test_everything_is_there(
    standing: Standing, address: Address, grown: Callable[[str], float]
) -> None:
    """Rung 0: the model's probability from the state, the policy's decision, counted as full."""
    assert ask(address) == full(standing)
    assert rungs(grown) == {"full": 1}


@pytest.mark.parametrize("user", ["u1", "u2"])
@pytest.mark.parametrize("merchant", ["m1", "m2"])
def test_a_stale_state_is_not_used(
    standing: Standing, address: Address, user: str, merchant: str
) -> None:
    """Rung 1: defaults stand for it and for nothing else; named, degraded, and at least review."""
    grown = _growth(address)
    stale = [name for name, old in ((USER, user == "u2"), (MERCHANT, merchant == "m2")) if old]
    answer = ask(address, user_id=user, merchant_id=merchant)
    expected = probability(user=user == "u1", merchant=merchant == "m1")
    assert answer["probability"] == pytest.approx(expected, abs=1e-6)
    assert answer["decision"] == ("review" if stale else "approve")
    assert bool(answer["reasons"]) == bool(stale)
    age = None if len(stale) == 2 else 3_600.0
    told = {"age_seconds": age, "stale": stale, "degraded": bool(stale)}
    assert answer["features"] == HEALTHY | told
    assert rungs(grown) == {"stale" if stale else "full": 1}


@pytest.mark.parametrize("fault", list(Fault))
def test_without_the_online_store_rules_decide(
    standing: Standing, address: Address, grown: Callable[[str], float], fault: Fault
) -> None:
    """Rung 2: degraded, no model asked, rules on the request hold; whole again once it is back."""
    before = ask(address)
    asked = standing.predictor.carried
    standing.redis.break_(fault)
    mild, strict, unknowable = ask_all(address, {}, {"amount": 6_000}, {"amount": 400})
    assert standing.predictor.carried == asked
    assert without_reasons(mild) == by_rules(standing)
    assert mild["reasons"]
    assert without_reasons(strict) == by_rules(standing, decision="decline")
    assert any("large_amount" in reason for reason in strict["reasons"])
    # That this card usually pays less is what nobody can know now.
    assert without_reasons(unknowable) == by_rules(standing)
    assert address.ready()
    kind = "timeout" if fault is Fault.STALL else "Unavailable"
    assert grown(f'{STORE_ERRORS}{{kind="{kind}"}}') == 1
    standing.redis.heal()
    assert ask(address) == before == full(standing)
    assert rungs(grown) == {"full": 2, "store": 3}


def test_a_store_that_lost_everything_is_not_a_store_of_newcomers(
    standing: Standing, address: Address, grown: Callable[[str], float]
) -> None:
    """Rung 2: an emptied Redis knows nobody, which is no cold start; filled again, all is whole."""
    newcomer = {"user_id": "somebody", "merchant_id": "somewhere"}
    cold = HEALTHY | {"age_seconds": None, "missing": ["user", "merchant"]}
    assert ask(address, **newcomer)["features"] == cold
    standing.stack.endpoints.redis_client().flushdb()
    assert without_reasons(ask(address)) == by_rules(standing)
    assert without_reasons(ask(address, **newcomer)) == by_rules(standing)
    assert grown(f'{STORE_ERRORS}{{kind="emptied"}}') == 2
    fill(standing.stack.endpoints)
    assert ask(address) == full(standing)
    assert ask(address, **newcomer)["features"] == cold
    assert rungs(grown) == {"full": 3, "store": 2}


def test_a_late_answer_of_the_store_is_nobodys(standing: Standing, address: Address) -> None:
    """What Redis answers after the deadline must not be taken for the next user's state."""
    standing.redis.break_(Fault.STALL)
    for user, merchant in (("u2", "m2"), ("nobody", "nowhere")):
        assert ask(address, user_id=user, merchant_id=merchant)["probability"] is None
    standing.redis.heal()
    for _ in range(3):
        assert ask(address) == full(standing)
        stale = ask(address, user_id="u2", merchant_id="m2")
        assert stale["features"]["stale"] == [USER, MERCHANT]
        unknown = ask(address, user_id="nobody", merchant_id="nowhere")
        assert sorted(unknown["features"]["missing"]) == ["merchant", "user"]


@pytest.mark.parametrize("part", ["redis", "predictor"])
def test_many_that_wait_at_once_are_all_answered(standing: Standing, part: str) -> None:
    """A stalled link holds no place for good: whoever asks meanwhile and afterwards is answered."""
    link: FaultyLink = getattr(standing, part)
    link.break_(Fault.STALL)
    with ThreadPoolExecutor(24) as clients:
        during = list(clients.map(lambda _: ask(standing.split), range(48)))
        assert {one["probability"] for one in during} == {None}
        assert {one["decision"] for one in during} == {"review"}
        link.heal()
        after = list(clients.map(lambda _: ask(standing.split), range(48)))
    assert all(one == full(standing) for one in after)


@pytest.mark.parametrize("fault", list(Fault))
def test_without_the_predictor_rules_decide_on_all_values(standing: Standing, fault: Fault) -> None:
    """Rung 3: no probability, features as they are, every rule holds; whole again afterwards."""
    grown = _growth(standing.split)
    before = ask(standing.split)
    standing.predictor.break_(fault)
    mild, known = ask_all(standing.split, {}, {"amount": 400})
    assert without_reasons(mild) == by_rules(standing, features=HEALTHY)
    assert without_reasons(known) == by_rules(standing, features=HEALTHY, decision="decline")
    assert any("far_above_usual" in reason for reason in known["reasons"])
    kind = "timeout" if fault is Fault.STALL else "connection"
    assert grown(f'{PREDICTOR_ERRORS}{{kind="{kind}"}}') == 1
    standing.predictor.heal()
    assert ask(standing.split) == before == full(standing)
    assert rungs(grown) == {"full": 2, "predictor": 2}


def test_a_late_answer_of_the_predictor_is_nobodys(standing: Standing) -> None:
    """A probability that comes after the deadline must not be taken for another transaction's."""
    standing.predictor.break_(Fault.STALL)
    for late in (1, 2):
        assert ask(standing.split, amount=late)["probability"] is None
    standing.predictor.heal()
    for amount in (300.0, 1.0, 57.16):
        expected = probability(amount=amount)
        assert ask(standing.split, amount=amount)["probability"] == pytest.approx(
            expected, abs=1e-6
        )


@pytest.mark.parametrize("fault", list(Fault))
def test_without_the_predictor_the_policy_may_refuse(standing: Standing, fault: Fault) -> None:
    """Rung 3, strictly: 503 for the whole request, every instance counted; then whole again."""
    grown = _growth(standing.strict)
    standing.predictor.break_(fault)
    response = predict(standing.strict, question(), question())
    assert response.status_code == 503
    assert "predictor" in response.json()["error"]
    standing.predictor.heal()
    assert ask(standing.strict)["probability"] == pytest.approx(probability(), abs=1e-6)
    assert rungs(grown) == {"full": 1, "unavailable": 2}


@pytest.mark.parametrize("policy", ["split", "strict"])
def test_without_both_rules_decide(standing: Standing, policy: str) -> None:
    """Rung 4: as without the store, also where the policy refuses without a predictor."""
    address: Address = getattr(standing, policy)
    grown = _growth(address)
    standing.redis.break_(Fault.REFUSE)
    standing.predictor.break_(Fault.REFUSE)
    answer = ask(address)
    assert (answer["probability"], answer["decision"]) == (None, "review")
    assert answer["features"] == UNREAD
    assert rungs(grown) == {"store": 1}
    standing.redis.heal()
    standing.predictor.heal()
    assert ask(address)["probability"] == pytest.approx(probability(), abs=1e-6)


def test_a_slow_link_within_the_deadline_changes_nothing(
    standing: Standing, address: Address, grown: Callable[[str], float]
) -> None:
    """Slow is not gone: what still answers in time is waited for, and the answer is whole."""
    standing.redis.delay(0.05)
    standing.predictor.delay(0.05)
    assert ask(address) == full(standing)
    assert rungs(grown) == {"full": 1}
