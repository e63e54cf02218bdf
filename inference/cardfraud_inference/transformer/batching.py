"""Micro-batching: calls that come while others are under way go out together.

Nothing waits for a timer. A call that finds a free place starts at once, alone; the others gather
until a place is free and then go as one. So a lone request is as quick as without batching, and
under load the cost of a round trip is shared by as many as came during the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cardfraud.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Call(Generic[Item, Result]):
    items: Sequence[Item]
    answer: asyncio.Future[list[Result]]


class MicroBatcher(Generic[Item, Result]):
    """Joins concurrent calls of one coroutine function.

    A caller that gives up takes its rows along if they have not gone out yet; what has gone out
    goes on, for the others, and ends with the last of them. When a batch fails, each of its callers
    gets the error; a result that is an error is for its own caller only.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        under_way: int,
        most: int,
    ) -> None:
        """Take the function.

        Args:
            work: gets N items and returns N results, in the same order.
            under_way: batches that may be under way at the same time.
            most: items of one batch; a single call of more goes out alone, as it is.
        """
        self._work = work
        self._under_way = under_way
        self._most = most
        self._waiting: list[_Call[Item, Result]] = []
        self._tasks: dict[asyncio.Task[None], list[_Call[Item, Result]]] = {}

    async def __call__(self, items: Sequence[Item]) -> list[Result]:
        """Return the results of these items, whatever they were joined with."""
        if not self._waiting and len(self._tasks) < self._under_way:
            call: _Call[Item, Result] = _Call(items, asyncio.get_running_loop().create_future())
            self._start([call])
        else:
            call = _Call(items, asyncio.get_running_loop().create_future())
            self._waiting.append(call)
        try:
            return await call.answer
        except asyncio.CancelledError:
            self._given_up(call)
            raise

    async def close(self) -> None:
        """End what is under way; its callers and those that wait get an error."""
        for call in self._waiting:
            _end(call.answer)
        self._waiting.clear()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _given_up(self, call: _Call[Item, Result]) -> None:
        """End the batch of a call when nobody waits for it any more, so that its place is free."""
        for task, calls in self._tasks.items():
            if call in calls and all(one.answer.done() for one in calls):
                task.cancel()

    def _start(self, calls: list[_Call[Item, Result]]) -> None:
        task = asyncio.create_task(self._run(calls))
        self._tasks[task] = calls
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        for call in self._tasks.pop(task):
            _end(call.answer)  # does nothing unless the batch was ended, perhaps before it began
        while self._waiting and len(self._tasks) < self._under_way:
            calls = self._next()
            if not calls:
                return
            self._start(calls)

    def _next(self) -> list[_Call[Item, Result]]:
        """Take calls from the queue until a batch is full; those that gave up are left out."""
        calls: list[_Call[Item, Result]] = []
        rows = taken = 0
        for call in self._waiting:
            if calls and rows + len(call.items) > self._most:
                break
            taken += 1
            if not call.answer.done():
                calls.append(call)
                rows += len(call.items)
        del self._waiting[:taken]
        return calls

    async def _run(self, calls: list[_Call[Item, Result]]) -> None:
        items = [item for call in calls for item in call.items]
        try:
            results = await self._work(items)
        except Exception as error:  # noqa: BLE001 (whatever it is, it belongs to the callers)
            for call in calls:
                if not call.answer.done():
                    call.answer.set_exception(error)
            return
        if len(results) != len(items):
            results = [ValueError(f"{len(results)} results for {len(items)} items")] * len(items)
        position = 0
        for call in calls:
            own = results[position : position + len(call.items)]
            position += len(call.items)
            if not call.answer.done():
                _settle(call.answer, own)


def _end(answer: asyncio.Future[list[Result]]) -> None:
    if not answer.done():
        answer.set_exception(Unavailable("server", "it is stopping"))


def _settle(answer: asyncio.Future[list[Result]], own: Sequence[Result | Exception]) -> None:
    given: list[Result] = []
    for result in own:
        if isinstance(result, Exception):
            answer.set_exception(result)
            return
        given.append(result)
    answer.set_result(given)
