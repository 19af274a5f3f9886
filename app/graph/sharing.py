"""Queries that several ask in the same words at the same time: run once for all who came before it began.

Nobody gets an answer that began before they asked, so whoever has just written sees what they wrote. Who comes while
one runs waits for the next, which the first of them runs for the others; when many come, few run.
"""

from asyncio import Future, get_running_loop
from collections.abc import Awaitable, Callable, Hashable
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")


class _Turn(Enum):
    """What somebody in line does next: run for those behind it, or for itself alone."""

    LEADS = 1
    ALONE = 2


class Shared(Generic[T]):
    """What is under way, by its words; `good` tells whether an answer may be given to others."""

    def __init__(self, good: Callable[[T], bool]) -> None:
        self._good = good
        # For each that runs: who came since it began.
        self._lines: dict[Hashable, list[Future[T | _Turn]]] = {}

    async def run(self, words: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `work` returns, run here or by another who asked the same."""
        line = self._lines.get(words)
        if line is None:
            line = self._lines[words] = []
        else:
            place: Future[T | _Turn] = get_running_loop().create_future()
            line.append(place)
            answer = await self._wait(words, line, place)
            if answer is _Turn.ALONE:
                return await work()
            if not isinstance(answer, _Turn):
                return answer
        return await self._lead(words, line, work)

    async def _wait(self, words: Hashable, line: list["Future[T | _Turn]"], place: "Future[T | _Turn]") -> T | _Turn:
        try:
            return await place
        except BaseException:
            if place in line:
                line.remove(place)
            elif place.done() and not place.cancelled() and place.result() is _Turn.LEADS:
                # Its turn came while it was given up.
                self._next(words, line)
            raise

    async def _lead(self, words: Hashable, line: list["Future[T | _Turn]"], work: Callable[[], Awaitable[T]]) -> T:
        group, line[:] = line[:], []
        told: T | _Turn = _Turn.ALONE
        try:
            answer = await work()
            if self._good(answer):
                told = answer
            return answer
        finally:
            # What was wrong with one may be its own affair: a request id, a deadline.
            for place in group:
                if not place.done():
                    place.set_result(told)
            self._next(words, line)

    def _next(self, words: Hashable, line: list["Future[T | _Turn]"]) -> None:
        while line:
            place = line.pop(0)
            if not place.done():
                place.set_result(_Turn.LEADS)
                return
        del self._lines[words]
