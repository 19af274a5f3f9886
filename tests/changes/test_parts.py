"""Parts of a list: they overlap, but for those that name the same identifier."""

import asyncio

from app.changes.model import Ask, Change, Outcome
from app.changes.parts import Parts
from app.claims.model import Locator
from app.core.errors import Refused
from app.persons.model import Person

SECONDS = 10.0


class Store:
    """Carries out parts once `open` is set; notes what begins and what is given up."""

    def __init__(self) -> None:
        self.begun: list[list[Ask[Person]]] = []
        self.given_up = 0
        self.open = asyncio.Event()

    async def carry(self, asks: list[Ask[Person]]) -> list[Outcome[Person] | Exception]:
        """Refuse all, each by its account."""
        self.begun.append(asks)
        try:
            async with asyncio.timeout(SECONDS):
                await self.open.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return [Refused(one.account, "") for one in asks]


def ask(account: str, email: str) -> Ask[Person]:
    """Ask for a change of whom an email means."""
    return Ask(account, "API", Change(), (Locator("email", email),))


async def test_parts_that_have_nothing_in_common_are_under_way_together() -> None:
    """The second one begins before the first one is done, and outcomes stay in order."""
    store = Store()
    parts: Parts[Person] = Parts(store.carry)
    await parts.send([ask("A", "a@b.example")])
    await parts.send([ask("B", "b@b.example"), ask("C", "b@b.example")])
    assert len(store.begun) == 2
    store.open.set()
    assert [getattr(one, "code", None) for one in await parts.outcomes()] == ["A", "B", "C"]


async def test_a_part_that_names_what_an_earlier_one_names_waits_for_it() -> None:
    """The later change is to see what the earlier one did."""
    store = Store()
    parts: Parts[Person] = Parts(store.carry)
    await parts.send([ask("A", "a@b.example")])
    sending = asyncio.create_task(parts.send([ask("B", "a@b.example")]))
    await asyncio.sleep(0)
    assert (len(store.begun), sending.done()) == (1, False)
    store.open.set()
    await sending
    assert [getattr(one, "code", None) for one in await parts.outcomes()] == ["A", "B"]


async def test_parts_that_are_given_up_stop() -> None:
    """Whoever asked has left."""
    store = Store()
    parts: Parts[Person] = Parts(store.carry)
    await parts.send([ask("A", "a@b.example")])
    parts.give_up()
    await asyncio.sleep(0)
    assert store.given_up == 1
