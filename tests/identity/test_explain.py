"""What is asked of a real MongoDB when persons come apart, or go: who has a phone of theirs is found by index."""

from collections.abc import AsyncIterator

import pytest

from app.claims.model import Locator
from app.core.actor import Actor
from app.identity.installation import Registration, Told
from app.identity.mobile import Installations, Personalize
from app.identity.service import Merges, Wanted
from app.identity.tokens import Tokens
from app.identity.user import Given, Identity
from tests.mongo.profiled import Profiled, watched
from tests.mongo.real import RealMongo

ACTOR = Actor("acc_ours", "key", frozenset())
PERSONS = 100


@pytest.fixture
async def profiled(mongo: RealMongo) -> AsyncIterator[Profiled]:
    """Give users who logged out of their apps, on a server that notes every operation."""
    async with watched(mongo, "test_explain_identity") as one:
        installations = Installations(one.home.persons, Tokens(one.server, bytes))
        for number in range(PERSONS):
            phone = Registration("shop", f"p{number}")
            await installations.open(ACTOR, phone, Told())
            known = Given(Identity(emails=[f"u{number}@x.example"]))
            await installations.personalize(ACTOR, Personalize(phone, known))
            await installations.depersonalize(ACTOR, phone)
        yield one


async def test_who_has_an_installation_of_theirs_by_now_is_found_by_its_line(profiled: Profiled) -> None:
    """W two come apart, or one goes, T the line of the one is looked up; whoever is not concerned is not read."""
    home = profiled.home
    merges = Merges(home.engine, home.catalog, home.persons, profiled.companies)
    places = [(Locator("email", f"u{number}@x.example"), ()) for number in (7, 8)]
    merged = await merges.merge(ACTOR, Wanted(places))
    assert merged.merge is not None
    reads = await profiled.reads(merges.revert(ACTOR, merged.merge.id))
    rides = [one for one in reads if one.collection == "persons" and "former" in one.plan]
    assert [one.documents for one in rides] == [1]
    reads += await profiled.reads(home.persons.delete(ACTOR, Locator("email", "u9@x.example")))
    rides = [one for one in reads if one.collection == "persons" and "former" in one.plan]
    assert [one.documents for one in rides] == [1, 1]
    assert not [one for one in reads if "COLLSCAN" in one.plan]
