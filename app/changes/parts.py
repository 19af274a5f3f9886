"""A list of changes on its way in parts: while the store works on one, the next is checked and planned."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic

from app.changes.model import Ask, Outcome, P
from app.claims.model import Locator

# Small enough for the store and this process to work at the same time, large enough to share the cost of a unit.
PART_CHANGES = 250

Outcomes = Sequence[Outcome[P] | Exception]


class Parts(Generic[P]):
    """The parts of one list; of changes that name the same identifier a later one sees what the earlier ones did."""

    def __init__(self, carry: Callable[[list[Ask[P]]], Coroutine[Any, Any, Outcomes[P]]]) -> None:
        self._carry = carry
        self._named: set[Locator] = set()
        self._tasks: list[asyncio.Task[Outcomes[P]]] = []

    async def send(self, asks: list[Ask[P]]) -> None:
        """Send a part off, at once, or behind all the others where it names what one of them does."""
        named = {one for ask in asks for one in named_by(ask)}
        if not named.isdisjoint(self._named):
            await asyncio.wait(self._tasks)
        self._named |= named
        self._tasks.append(asyncio.create_task(self._carry(asks)))
        # Its first question is to leave before the next part is looked at.
        await asyncio.sleep(0)

    async def outcomes(self) -> Outcomes[P]:
        """Return the outcomes of all that was sent, in that order."""
        return [outcome for part in await asyncio.gather(*self._tasks) for outcome in part]

    def give_up(self) -> None:
        """Stop what is still under way."""
        for task in self._tasks:
            task.cancel()


def named_by(ask: Ask[P]) -> set[Locator]:
    """Return whom an ask may mean, and what it wants."""
    return {*ask.sought, *(locator for locator, _ in ask.change.named())}
