"""Sealed parts of a list: two are under way at most, each told of the one before it, and nothing is left behind."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from app.changes.chunk import Before
from app.changes.desk import Desk
from app.changes.model import Ask, Change
from app.changes.sealing import Sealing
from app.persons.model import Person

SECONDS = 10.0


class Store:
    """Carries parts out once they are let go, by the account of their first ask; notes how they end."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.before: dict[str, Before[Person]] = {}
        self.given_up: list[str] = []
        self._ends: dict[str, asyncio.Future[list[Desk[Person]]]] = {}

    async def carry(self, asks: Sequence[Ask[Person]], _seal: Any, before: Before[Person]) -> list[Desk[Person]]:
        """Wait for the end that a test gives it."""
        name = asks[0].account
        self.begun.append(name)
        self.before[name] = before
        try:
            async with asyncio.timeout(SECONDS):
                return await self.end(name)
        except asyncio.CancelledError:
            self.given_up.append(name)
            raise

    def end(self, name: str) -> "asyncio.Future[list[Desk[Person]]]":
        """Return what a part waits for."""
        return self._ends.setdefault(name, asyncio.get_running_loop().create_future())


def part(name: str) -> list[Ask[Person]]:
    """Return a part that can be told from others."""
    return [Ask(name, "IMPORT", Change())]


def seal(*_: Any) -> list[Any]:
    """Write nothing beside."""
    return []


async def test_one_is_planned_while_another_is_committed() -> None:
    """The third waits for the first; each knows what is before it."""
    store = Store()
    sealing: Sealing[Person] = Sealing(store.carry)
    await sealing.send(part("a"), seal)
    await sealing.send(part("b"), seal)
    third = asyncio.create_task(sealing.send(part("c"), seal))
    await asyncio.sleep(0)
    assert (store.begun, third.done()) == (["a", "b"], False)
    first = store.before["b"]
    assert store.before["a"] is None
    assert first is not None
    store.end("a").set_result([])
    await third
    assert (store.begun, first.done()) == (["a", "b", "c"], True)
    assert store.before["c"] is not first
    over = asyncio.create_task(sealing.over())
    store.end("b").set_result([])
    await asyncio.sleep(0)
    assert not over.done()
    store.end("c").set_result([])
    await over


@pytest.mark.parametrize("name", ["a", "b"])
async def test_what_a_part_came_to_is_raised_and_the_rest_is_stopped(name: str) -> None:
    """By whichever call comes next; nothing of it is under way when the list is given up."""
    store = Store()
    sealing: Sealing[Person] = Sealing(store.carry)
    await sealing.send(part("a"), seal)
    await sealing.send(part("b"), seal)
    for one in "a", "b":
        if one == name:
            store.end(one).set_exception(LookupError(one))
            break
        store.end(one).set_result([])
    with pytest.raises(LookupError, match=name):
        await sealing.over()
    await sealing.give_up()
    assert store.given_up == (["b"] if name == "a" else [])
    await sealing.over()
