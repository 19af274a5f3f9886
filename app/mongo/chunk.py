"""Chunks that form by themselves: the first caller leaves at once, those who come meanwhile share the next call."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from app.core.errors import unavailable

T = TypeVar("T")
R = TypeVar("R")

WAITING_MAX = 50_000
# From so many on, a list gains nothing by waiting for others to share a call with.
LIST_ITEMS = 50


class Chunks(Generic[T, R]):
    """Hands items to `run`, at most `limit` at a time and `flights` calls at once.

    `run` returns one outcome for each item; one that is an exception is raised to its own caller alone. What `run`
    raises goes to all callers of that chunk.
    """

    def __init__(
        self,
        run: Callable[[list[T]], Awaitable[Sequence[R | Exception]]],
        *,
        limit: int = 500,
        flights: int = 1,
    ) -> None:
        self._run = run
        self._limit = limit
        self._free = flights
        self._room = asyncio.Semaphore(flights)
        self._waiting: deque[tuple[T, asyncio.Future[R | Exception]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, item: T) -> R:
        """Return the outcome of one item, or raise it."""
        outcome = await self._enter(item)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def put_all(self, items: Sequence[T]) -> list[R | Exception]:
        """Return the outcomes of a caller's list, aligned; where there is no room for all of it, none of it runs.

        One of LIST_ITEMS or more travels by itself, in calls of at most `limit`.
        """
        if len(items) >= LIST_ITEMS:
            parts = [list(items[start : start + self._limit]) for start in range(0, len(items), self._limit)]
            return [outcome for part in await asyncio.gather(*map(self.alone, parts)) for outcome in part]
        if len(self._waiting) + len(items) > WAITING_MAX:
            raise unavailable()
        return list(await asyncio.gather(*[self._enter(item) for item in items]))

    async def alone(self, items: list[T]) -> Sequence[R | Exception]:
        """Return the outcomes of items that are a call by themselves, shared with nobody; at most `limit`."""
        async with self._room:
            return await self._outcomes(items)

    def _enter(self, item: T) -> "asyncio.Future[R | Exception]":
        if len(self._waiting) >= WAITING_MAX:
            raise unavailable()
        future: asyncio.Future[R | Exception] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._free:
            self._free -= 1
            # Starts after the present callback, so that a list given at once travels together.
            task = asyncio.create_task(self._fly())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return future

    async def _fly(self) -> None:
        try:
            while self._waiting:
                if chunk := self._next():
                    await self._carry(chunk)
        finally:
            self._free += 1

    def _next(self) -> "list[tuple[T, asyncio.Future[R | Exception]]]":
        """Take the next chunk from those who wait; a caller that has given up is not worth a place."""
        chunk: list[tuple[T, asyncio.Future[R | Exception]]] = []
        while self._waiting and len(chunk) < self._limit:
            entry = self._waiting.popleft()
            if not entry[1].done():
                chunk.append(entry)
        return chunk

    async def _carry(self, chunk: "list[tuple[T, asyncio.Future[R | Exception]]]") -> None:
        outcomes = await self._outcomes([item for item, _ in chunk])
        for (_, future), outcome in zip(chunk, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    async def _outcomes(self, items: list[T]) -> Sequence[R | Exception]:
        try:
            return await self._run(items)
        except Exception as error:  # noqa: BLE001 - handed to every caller of the chunk, who raises it
            return [error] * len(items)
