"""Micro-batching: what goes out together, and that nobody gets another one's answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from cardfraud.errors import Unavailable
from cardfraud_inference.transformer.batching import MicroBatcher

Work = Callable[[list[int]], Awaitable[Sequence[Any]]]


class Slow:
    """Doubles numbers when it is told to; remembers the batches."""

    def __init__(self) -> None:
        """Begin with a closed gate."""
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()

    async def __call__(self, items: list[int]) -> list[int]:
        """Wait for the gate, then answer."""
        self.batches.append(items)
        await self.gate.wait()
        return [2 * item for item in items]


def test_what_comes_meanwhile_goes_out_as_one() -> None:
    """The first call starts at once; the others are one batch, and each gets its own rows back."""

    async def run() -> None:
        work = Slow()
        batcher: MicroBatcher[int, int] = MicroBatcher(work, under_way=1, most=100)
        calls = [asyncio.create_task(batcher([10 * i, 10 * i + 1])) for i in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert work.batches == [[0, 1]]
        work.gate.set()
        answers = await asyncio.gather(*calls)
        assert answers == [[20 * i, 20 * i + 2] for i in range(5)]
        assert work.batches == [[0, 1], [10, 11, 20, 21, 30, 31, 40, 41]]

    asyncio.run(run())


def test_a_batch_holds_so_many_items_and_no_more() -> None:
    """Calls are never taken apart; one that is larger by itself goes out alone."""

    async def run() -> None:
        work = Slow()
        batcher: MicroBatcher[int, int] = MicroBatcher(work, under_way=1, most=3)
        sizes = [1, 2, 2, 7, 1]
        calls = [asyncio.create_task(batcher(list(range(size)))) for size in sizes]
        await asyncio.sleep(0)
        work.gate.set()
        answers = await asyncio.gather(*calls)
        assert [len(answer) for answer in answers] == sizes
        assert [len(batch) for batch in work.batches] == [1, 2, 2, 7, 1]

    asyncio.run(run())


def test_an_error_is_for_the_batch_that_failed() -> None:
    """All of its callers get the error; the batch before it and what comes later are answered."""

    async def run() -> None:
        gate = asyncio.Event()

        async def work(items: list[int]) -> list[int]:
            await gate.wait()
            if 1 in items:
                raise ConnectionError("away")
            return items

        batcher: MicroBatcher[int, int] = MicroBatcher(work, under_way=1, most=10)
        calls = [asyncio.create_task(batcher([item])) for item in (0, 1, 2)]
        await asyncio.sleep(0)
        gate.set()
        first, *joined = await asyncio.gather(*calls, return_exceptions=True)
        assert first == [0]
        assert [type(result) for result in joined] == [ConnectionError, ConnectionError]
        assert await batcher([3]) == [3]

    asyncio.run(run())


def test_an_error_among_the_results_is_for_its_caller_alone() -> None:
    """Others in the same batch get what they asked for."""

    async def run() -> None:
        gate = asyncio.Event()

        async def work(items: list[int]) -> list[int | Exception]:
            await gate.wait()
            return [ValueError("odd") if item % 2 else item for item in items]

        batcher: MicroBatcher[int, int] = MicroBatcher(work, under_way=1, most=10)
        calls = [asyncio.create_task(batcher([item])) for item in (0, 1, 2)]
        await asyncio.sleep(0)
        gate.set()
        first, second, third = await asyncio.gather(*calls, return_exceptions=True)
        assert (first, third) == ([0], [2])
        assert isinstance(second, ValueError)

    asyncio.run(run())


def test_a_caller_that_gives_up_takes_nobody_along() -> None:
    """One that waits its turn is left out; one that is under way leaves the others their answer."""

    async def run() -> None:
        work = Slow()
        batcher: MicroBatcher[int, int] = MicroBatcher(work, under_way=1, most=10)
        calls = [asyncio.create_task(batcher([item])) for item in range(4)]
        await asyncio.sleep(0)
        calls[1].cancel()
        await asyncio.sleep(0)
        work.gate.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(answers[1], asyncio.CancelledError)
        assert [answers[0], *answers[2:]] == [[0], [4], [6]]
        assert work.batches == [[0], [2, 3]]

    asyncio.run(run())


def test_too_few_results_are_nobodys_answer() -> None:
    """Rows cannot be told apart then, so that every caller gets an error."""

    async def run() -> None:
        async def work(items: list[int]) -> list[int]:
            return items[1:]

        batcher: MicroBatcher[int, int] = MicroBatcher(work, under_way=1, most=10)
        with pytest.raises(ValueError, match="1 results for 2 items"):
            await batcher([1, 2])

    asyncio.run(run())


def test_a_batch_that_nobody_waits_for_frees_its_place() -> None:
    """All callers of a stalled batch give up: the next one is not behind it."""

    async def run() -> None:
        stalled = asyncio.Event()
        ended: list[int] = []

        async def work(items: list[int]) -> list[int]:
            if items[0] < 10:
                try:
                    await stalled.wait()
                finally:
                    ended.extend(items)
            return items

        batcher: MicroBatcher[int, int] = MicroBatcher(work, under_way=1, most=10)
        first = asyncio.create_task(batcher([1]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        async with asyncio.timeout(30):
            assert await batcher([10]) == [10]
        assert ended == [1]

    asyncio.run(run())


def test_closing_ends_those_that_wait() -> None:
    """Nobody waits for an answer that cannot come any more: each gets an error that says so."""

    async def run() -> None:
        batcher: MicroBatcher[int, int] = MicroBatcher(Slow(), under_way=1, most=10)
        calls = [asyncio.create_task(batcher([item])) for item in range(3)]
        await asyncio.sleep(0)
        await batcher.close()
        async with asyncio.timeout(30):
            ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in ended] == [Unavailable] * 3

    asyncio.run(run())


@pytest.mark.parametrize("gives_up", [1, 2, 3])
def test_a_batch_goes_on_for_those_that_still_wait(gives_up: int) -> None:
    """One of three callers gives up after their batch has gone out: the others get their rows."""

    async def run() -> None:
        gates, joined = [asyncio.Event(), asyncio.Event()], asyncio.Event()

        async def work(items: list[int]) -> list[int]:
            if items == [1, 2, 3]:
                joined.set()
            await gates[len(items) > 1].wait()
            return items

        batcher: MicroBatcher[int, int] = MicroBatcher(work, under_way=1, most=10)
        calls = [asyncio.create_task(batcher([item])) for item in range(4)]
        await asyncio.sleep(0)
        gates[0].set()
        assert await calls[0] == [0]
        async with asyncio.timeout(30):
            await joined.wait()
        calls[gives_up].cancel()
        await asyncio.wait([calls[gives_up]])
        gates[1].set()
        left = [item for item in (1, 2, 3) if item != gives_up]
        assert await asyncio.gather(*(calls[item] for item in left)) == [[item] for item in left]

    asyncio.run(run())
