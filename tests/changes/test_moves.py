"""Identifiers that move between profiles of one change: what a part keeps is taken for all others."""

from dataclasses import replace

import pytest

from app.changes.model import DELETED, Ask, Change, Effect, Scene, successor
from app.claims.model import COLLECTION as CLAIMS
from app.claims.model import Claim, Locator
from app.core import clock
from app.core.errors import Refusals, Refused
from app.mongo.engine import Engine
from app.persons.model import EmailContact, Person
from app.persons.plan import Update
from app.persons.wish import Wish
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


class Into(Change[Person]):
    """Let one person live on in another, who takes nothing over."""

    def __init__(self, heir: str) -> None:
        self.heir = heir

    def plan(self, held: Person | None, scene: Scene) -> Effect[Person]:
        """Return the end of the person."""
        assert held is not None
        return Effect(held, replace(successor(held, scene), state=DELETED, into=self.heir, subjects=[]), ("state",))


async def test_an_identifier_finds_the_heir_though_its_claim_was_read_before(home: House) -> None:
    """Who lives on in another person is found by a claim that still names them, and never by their id."""
    gone, heir = await home.person("gone@x.example"), await home.person("heir@x.example")
    ask = Ask(ACTOR.account, "API", Into(heir.id), (Locator("id", gone.id),))
    assert isinstance((await home.persons.apply([ask]))[0], Effect)
    # As somebody has it who read the claims just before.
    claim = Claim(email("gone@x.example").claim(ACTOR.account), ACTOR.account, gone.id, gone.subjects[0], clock.now())
    await home.engine.insert(CLAIMS, [claim.document()])
    named = [email("gone@x.example"), Locator("id", gone.id)]
    assert [one and one.id for one in await home.persons.find_all(ACTOR.account, named)] == [heir.id, None]
    carriers = await home.persons.carriers(ACTOR.account, named)
    assert [one and one.person_id for one in carriers] == [heir.id, None]
    by_email, by_id = [await home.persons.find(ACTOR.account, one) for one in named]
    assert (by_email and by_email.id, by_id) == (heir.id, None)
    change = Update(Wish(scalars={"first_name": "Ann"}))
    asks = [Ask(ACTOR.account, "API", change, (one,)) for one in named]
    changed, refused = await home.persons.apply(asks)
    assert isinstance(changed, Effect)
    assert (changed.after.id, changed.after.first_name) == (heir.id, "Ann")
    assert isinstance(refused, Refused)
    assert refused.code == "PERSON_NOT_FOUND"
