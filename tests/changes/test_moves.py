"""Identifiers that move between profiles of one change: what a part keeps is taken for all others."""

from dataclasses import replace

import pytest

from app.changes.model import Ask, Change, Effect, Scene, successor
from app.claims.model import Locator
from app.core.errors import Refusals
from app.mongo.engine import Engine
from app.persons.model import EmailContact, Person
from tests.make import ACTOR, House, email, house


class Both(Change[Person]):
    """Give one person an email of another; `released`: who has it lets go of it."""

    moves = True

    def __init__(self, address: str, *, released: bool) -> None:
        self.address = address
        self.released = released

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Return both, each changed."""
        assert held is not None
        other: Person = scene.find(email(self.address))
        taker = replace(successor(held, scene), emails=[*held.emails, EmailContact(self.address)])
        giver = replace(successor(other, scene), first_name="Bea")
        if self.released:
            giver.emails = giver.emails[1:]
        return Effect(held, taker, ("emails",), also=[Effect(other, giver, ("firstName",))])


@pytest.fixture
def home(engine: Engine) -> House:
    """Give the services on a store."""
    return house(engine)


@pytest.mark.parametrize("released", [True, False])
async def test_what_a_part_keeps_is_taken_for_the_others(home: House, *, released: bool) -> None:
    """It moves where it is let go of; else the change is refused, and names who has it."""
    taker, giver = await home.person("taker@x.example"), await home.person("a@x.example", "b@x.example")
    change = Both("a@x.example", released=released)
    ask = Ask(ACTOR.account, "API", change, (Locator("id", taker.id),), (email("a@x.example"),))
    (outcome,) = await home.persons.apply([ask])
    if released:
        assert isinstance(outcome, Effect)
    else:
        assert isinstance(outcome, Refusals)
        assert [(one.code, one.owner) for one in outcome.refusals] == [("DUPLICATE_EMAIL", giver.id)]
    found = await home.persons.find(ACTOR.account, email("a@x.example"))
    assert found is not None
    assert found.id == (taker.id if released else giver.id)
