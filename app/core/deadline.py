"""Deadlines of many short operations: one timer for all of them, where `asyncio.timeout` makes one for each."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _UnderWay:
    """Work of a task until some time of the loop; `cancelling` are the cancellations that were asked for before."""

    task: asyncio.Task[Any]
    until: float
    cancelling: int
    late: bool = False


class Deadlines:
    """Work under way in one loop, each until a time of its own."""

    def __init__(self) -> None:
        self._under_way: dict[_UnderWay, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = inf

    async def within(self, seconds: float, work: Awaitable[T]) -> T:
        """Return what `work` returns; it is cancelled after `seconds`, and this raises TimeoutError."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 - whatever is awaited has one
        one = _UnderWay(task, loop.time() + seconds, task.cancelling())
        self._under_way[one] = None
        if one.until < self._looks_at:
            self._look_at(one.until, loop)
        try:
            return await work
        except asyncio.CancelledError as error:
            if one.late and task.cancelling() - 1 <= one.cancelling:
                raise TimeoutError from error
            raise
        finally:
            del self._under_way[one]
            if one.late:
                task.uncancel()

    def _look_at(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._looks_at = when
        self._timer = loop.call_at(when, self._look, loop) if when < inf else None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what is late; most of what the timer was set for has long been over."""
        now, following = loop.time(), inf
        for one in self._under_way:
            if one.late:
                continue
            if one.until <= now:
                one.late = True
                one.task.cancel()
            else:
                following = min(following, one.until)
        self._look_at(following, loop)
