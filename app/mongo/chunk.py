"""Chunks that form by themselves: the first caller leaves at once, those who come meanwhile share the next call."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context
from time import monotonic
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from app.core.errors import unavailable
from app.core.spread import Spread
from app.core.tally import TALLY, Tally

T = TypeVar("T")
R = TypeVar("R")

WAITING_MAX = 50_000
# From so many on, a list gains nothing by waiting for others to share a call with.
LIST_ITEMS = 50
# Of the figures: calls by how many items they carry.
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
NOTHING: AbstractContextManager[None] = nullcontext()


class Figures:
    """What was seen of the chunks of one name in this process."""

    def __init__(self) -> None:
        self.items = Spread(SIZES)  # of each call
        self.waits = Spread()  # of the longest-waiting item of each shared call
        self.chunks: WeakSet[Chunks[Any, Any]] = WeakSet()

    @property
    def waiting(self) -> int:
        """Items that wait now."""
        return sum(one.waiting for one in self.chunks)

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest of these has waited, 0 where none waits."""
        since = [one.waiting_since for one in self.chunks if one.waiting]
        return monotonic() - min(since) if since else 0.0


# By name; there are as many as names in the code.
FIGURES: dict[str, Figures] = {}


# An item that waits, since when (monotonic), and for whose operation. No class: one is made for each item.
Entry = tuple[T, asyncio.Future[R | Exception], float, Tally | None]


class Chunks(Generic[T, R]):
    """Hands items to `run`, at most `limit` at a time and `flights` calls at once.

    `run` returns one outcome for each item; one that is an exception is raised to its own caller alone. What `run`
    raises goes to all callers of that chunk.
    """

    def __init__(
        self,
        run: Callable[[list[T]], Awaitable[Sequence[R | Exception]]],
        *,
        name: str = "other",
        limit: int = 500,
        flights: int = 1,
    ) -> None:
        self._run = run
        self._limit = limit
        self._free = flights
        self._room = asyncio.Semaphore(flights)
        self._waiting: deque[Entry[T, R]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._name = name
        self._figures = FIGURES.setdefault(name, Figures())
        self._figures.chunks.add(self)

    @property
    def waiting(self) -> int:
        """Items that wait for a call."""
        return len(self._waiting)

    @property
    def waiting_since(self) -> float:
        """Since when the oldest item waits, monotonic; there has to be one."""
        return self._waiting[0][2]

    async def put(self, item: T) -> R:
        """Return the outcome of one item, or raise it."""
        tally = TALLY.get()
        if tally is not None and tally.trace is not None:
            with self._part(tally):
                return _good(await self.ask(item, tally))
        return _good(await self.ask(item, tally))

    async def put_all(self, items: Sequence[T]) -> list[R | Exception]:
        """Return the outcomes of a caller's list, aligned; where there is no room for all of it, none of it runs.

        One of LIST_ITEMS or more travels by itself, in calls of at most `limit`.
        """
        if len(items) >= LIST_ITEMS:
            parts = [list(items[start : start + self._limit]) for start in range(0, len(items), self._limit)]
            return [outcome for part in await asyncio.gather(*map(self.alone, parts)) for outcome in part]
        if len(self._waiting) + len(items) > WAITING_MAX:
            raise unavailable()
        tally = TALLY.get()
        with self._part(tally):
            if len(items) == 1:
                return [await self.ask(items[0], tally)]
            return list(await asyncio.gather(*[self.ask(item, tally) for item in items]))

    async def alone(self, items: list[T]) -> Sequence[R | Exception]:
        """Return the outcomes of items that are a call by themselves, shared with nobody; at most `limit`."""
        async with self._room:
            return await self._outcomes(items)

    def ask(self, item: T, tally: Tally | None) -> "asyncio.Future[R | Exception]":
        """Return what will hold the outcome of one item, also an exception; for an operation that has no task."""
        if len(self._waiting) >= WAITING_MAX:
            raise unavailable()
        future: asyncio.Future[R | Exception] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future, monotonic(), tally))
        if self._free:
            self._free -= 1
            # Starts after the present callback, so that a list given at once travels together. In a context of its own,
            # for it carries on for others when its first caller has long been answered.
            task = asyncio.create_task(self._fly(), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return future

    def _part(self, tally: Tally | None) -> AbstractContextManager[None]:
        """Return the part of an operation's trace, where it has one, that waits for a shared call."""
        if tally is None or tally.trace is None:
            return NOTHING
        return tally.trace.part("chunk", {"profiles.chunk": self._name})

    async def _fly(self) -> None:
        try:
            while self._waiting:
                if chunk := self._next():
                    await self._carry(chunk)
        finally:
            self._free += 1

    def _next(self) -> list[Entry[T, R]]:
        """Take the next chunk from those who wait; a caller that has given up is not worth a place."""
        chunk: list[Entry[T, R]] = []
        while self._waiting and len(chunk) < self._limit:
            entry = self._waiting.popleft()
            if not entry[1].done():
                chunk.append(entry)
        return chunk

    async def _carry(self, chunk: list[Entry[T, R]]) -> None:
        self._figures.waits.add(monotonic() - chunk[0][2])
        tally = chunk[0][3]
        if len(chunk) > 1 and any(entry[3] is not tally for entry in chunk):
            outcomes = await self._shared(chunk)
        else:
            # Of one operation alone: what is asked of the store is its own.
            TALLY.set(tally)
            outcomes = await self._outcomes([entry[0] for entry in chunk])
        for entry, outcome in zip(chunk, outcomes, strict=True):
            if not entry[1].done():
                entry[1].set_result(outcome)

    async def _shared(self, chunk: list[Entry[T, R]]) -> Sequence[R | Exception]:
        """Make a call of several operations; each has waited for all that is asked of the store."""
        ours = Tally(0.0)
        TALLY.set(ours)
        outcomes = await self._outcomes([entry[0] for entry in chunk])
        for tally in {entry[3] for entry in chunk}:
            if tally is not None:
                tally.calls += ours.calls
                tally.shared += ours.calls
        return outcomes

    async def _outcomes(self, items: list[T]) -> Sequence[R | Exception]:
        self._figures.items.add(len(items))
        try:
            return await self._run(items)
        except Exception as error:  # noqa: BLE001 - handed to every caller of the chunk, who raises it
            return [error] * len(items)


def _good(outcome: R | Exception) -> R:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
