"""The same transaction asked twice: the same answer, kept within bounds."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from cardfraud.contracts.policy import Decision
from cardfraud.contracts.scoring import FeatureHealth, ModelVersion, PolicyVersion, Prediction
from cardfraud.contracts.transactions import Transaction
from cardfraud.errors import Unavailable
from cardfraud_inference.transformer.repeated import RepeatedAnswers
from tests.support.feature_stores import START, record


def answer(transaction: Transaction, probability: float) -> Prediction:
    """Return an answer that can be told from others."""
    return Prediction(
        transaction_id=transaction.transaction_id,
        probability=probability,
        decision=Decision.APPROVE,
        model=ModelVersion(name="fraud", version="v", track="stable"),
        policy=PolicyVersion(version="p"),
        features=FeatureHealth(age_seconds=None),
    )


def test_what_was_answered_is_given_again() -> None:
    """The second claim on the same fields has nothing fresh; its answer is the first one's."""

    async def run() -> None:
        repeated = RepeatedAnswers(10, 60)
        one, other = record("t1", START), record("t2", START)
        first = repeated.claim([one])
        repeated.settle(first, [answer(one, 0.25)])
        second = repeated.claim([other, one])
        assert second.fresh == (0,)
        assert (await second.given[1]).probability == 0.25

    asyncio.run(run())


@pytest.mark.parametrize(
    "change",
    [
        {"amount": Decimal("10.01")},
        {"user_id": "u2"},
        {"merchant_id": "m2"},
        {"event_time": START + timedelta(microseconds=1)},
        {"currency": "EUR"},
        {"segment": "s"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_field_is_another_transaction(change: dict[str, object]) -> None:
    """An id that comes with other fields is answered anew, not with what it was."""

    async def run() -> None:
        repeated = RepeatedAnswers(10, 60)
        one = record("t1", START)
        repeated.settle(repeated.claim([one]), [answer(one, 0.25)])
        assert repeated.claim([one.model_copy(update=change)]).fresh == (0,)

    asyncio.run(run())


def test_a_question_during_the_first_answer_waits_for_it() -> None:
    """Both get the same; the second asks nobody."""

    async def run() -> None:
        repeated = RepeatedAnswers(10, 60)
        one = record("t1", START)
        first, second = repeated.claim([one]), repeated.claim([one])
        assert second.fresh == ()
        waiting = asyncio.ensure_future(asyncio.shield(second.given[0]))
        await asyncio.sleep(0)
        assert not waiting.done()
        repeated.settle(first, [answer(one, 0.5)])
        assert (await waiting).probability == 0.5

    asyncio.run(run())


def test_what_failed_is_not_kept() -> None:
    """Whoever waited gets the error; the next question is answered anew."""

    async def run() -> None:
        repeated = RepeatedAnswers(10, 60)
        one = record("t1", START)
        first, second = repeated.claim([one]), repeated.claim([one])
        repeated.forget([one], first, Unavailable("predictor", "gone"))
        with pytest.raises(Unavailable):
            await second.given[0]
        assert repeated.claim([one]).fresh == (0,)

    asyncio.run(run())


def test_the_number_of_answers_is_bounded_and_the_oldest_goes() -> None:
    """Of four transactions in a place for three the first is answered anew, the others are not."""

    async def run() -> None:
        repeated = RepeatedAnswers(3, 60)
        all_of_them = [record(f"t{i}", START) for i in range(4)]
        for one in all_of_them:
            repeated.settle(repeated.claim([one]), [answer(one, 0.1)])
        assert len(repeated) == 3
        assert [repeated.claim([one]).fresh for one in all_of_them[1:]] == [(), (), ()]
        assert repeated.claim([all_of_them[0]]).fresh == (0,)

    asyncio.run(run())


def test_answers_are_kept_for_so_long() -> None:
    """One second before its time is up an answer is given again, at it no more."""

    async def run() -> None:
        now = 100.0
        repeated = RepeatedAnswers(3, 60, clock=lambda: now)
        one = record("t1", START)
        repeated.settle(repeated.claim([one]), [answer(one, 0.1)])
        now = 159.0
        assert repeated.claim([one]).fresh == ()
        now = 160.0
        assert repeated.claim([one]).fresh == (0,)

    asyncio.run(run())


def test_with_no_places_nothing_is_kept() -> None:
    """Every question is answered anew, and no memory is held."""

    async def run() -> None:
        repeated = RepeatedAnswers(0, 60)
        one = record("t1", START)
        repeated.settle(repeated.claim([one]), [answer(one, 0.1)])
        assert repeated.claim([one]).fresh == (0,)
        assert len(repeated) == 0

    asyncio.run(run())


def test_what_failed_takes_no_newer_answer_along() -> None:
    """An entry that has run out and was claimed anew is not the old claim's to forget."""

    async def run() -> None:
        now = 100.0
        repeated = RepeatedAnswers(3, 60, clock=lambda: now)
        one = record("t1", START)
        old = repeated.claim([one])
        now = 160.0
        new = repeated.claim([one])
        assert new.fresh == (0,)
        repeated.forget([one], old, Unavailable("predictor", "gone"))
        assert repeated.claim([one]).fresh == ()
        repeated.settle(new, [answer(one, 0.25)])
        assert (await repeated.claim([one]).given[0]).probability == 0.25

    asyncio.run(run())


def test_with_no_places_two_questions_at_once_are_two() -> None:
    """Even within one request nothing is shared or held, so that nobody waits for another."""

    async def run() -> None:
        repeated = RepeatedAnswers(0, 60)
        one = record("t1", START)
        both = repeated.claim([one, one])
        assert both.fresh == (0, 1)
        assert both.given[0] is not both.given[1]

    asyncio.run(run())
