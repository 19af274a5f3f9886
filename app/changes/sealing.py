"""A list of changes on its way in sealed parts: while one is committed, the next is planned."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic

from app.changes.chunk import Before, Seal
from app.changes.desk import Desk
from app.changes.model import Ask, P

ROWS_MIN = 5

Carry = Callable[[Sequence[Ask[P]], Seal[P], Before[P]], Coroutine[Any, Any, list[Desk[P]]]]


class Sealing(Generic[P]):
    """Parts of one list, committed in their order; each sees what those before it did. For one caller alone."""

    def __init__(self, carry: Carry[P]) -> None:
        self._carry = carry
        # At most two: what is committed, and what is planned beside it.
        self._tasks: list[asyncio.Task[list[Desk[P]]]] = []

    async def send(self, asks: Sequence[Ask[P]], seal: Seal[P]) -> None:
        """Have a part begin, once only one is under way; raises what an earlier one came to."""
        await self._under_way(1)
        before = self._tasks[0] if self._tasks else None
        self._tasks.append(asyncio.create_task(self._carry(asks, seal, before)))
        # Its first question is to leave before the next part is looked at.
        await asyncio.sleep(0)

    async def over(self) -> None:
        """Wait until all is committed; raises what one of them came to."""
        await self._under_way(0)

    async def give_up(self) -> None:
        """Stop what is still under way, and wait for its end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _under_way(self, most: int) -> None:
        while len(self._tasks) > most:
            await self._tasks[0]
            del self._tasks[0]


def smaller(rows: int, tries: int) -> int:
    """Return how many rows a part has that was put off so often: half as many each time, for they may be too much."""
    return max(rows >> tries, min(rows, ROWS_MIN))
