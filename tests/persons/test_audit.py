"""The check finds what doesn't agree, mends what can be mended, and finds nothing where all is well."""

from typing import Any

import pytest

from app.catalog.model import AttributeDefinition
from app.claims.audit import Finding
from app.claims.model import Claim, Locator
from app.companies.service import Companies
from app.companies.wish import Given as CompanyGiven
from app.core import clock, ids
from app.core.pages import Slice
from app.mongo.engine import Delete, Engine, Insert, Replace, Update
from app.persons.audit import audit
from tests.make import ACTOR, House, email, house


@pytest.fixture
async def home(engine: Engine) -> House:
    """Give a store with two persons, a company, a tag and an attribute, all of which agree."""
    home = house(engine)
    companies = Companies(engine, home.claims, home.catalog, home.persons)
    acme = await companies.create(ACTOR, CompanyGiven({"name": "Acme", "external_id": "a-1"}))
    ann = await home.person("ann@example.com", tags=["VIP"], external_id="ann")
    await home.person("bob@example.com")
    await home.link(acme, ann)
    await home.catalog.define_attribute(
        ACTOR.account, AttributeDefinition("att_1", "PERSON", "age", "INTEGER", clock.now())
    )
    return home


async def findings(home: House, *, repair: bool = False) -> list[Finding]:
    """Run the check."""
    return [one async for one in audit(home.engine, repair=repair)]


async def problems(home: House, *, repair: bool = False) -> list[tuple[str, bool]]:
    """Run the check; return what it found and whether that was mended."""
    return [(one.problem, one.mended) for one in await findings(home, repair=repair)]


async def test_where_all_agrees_nothing_is_found(home: House) -> None:
    """Also after a change, a deletion and a merge of names."""
    await home.persons.delete(ACTOR, email("bob@example.com"))
    assert await findings(home) == []


async def test_a_missing_claim_is_found_and_made(home: House) -> None:
    """Without it another person could take the email."""
    await home.engine.write("claims", [Delete({"_id": email("ann@example.com").claim(ACTOR.account)})])
    assert await problems(home) == [("MISSING_CLAIM", False)]
    assert await problems(home, repair=True) == [("MISSING_CLAIM", True)]
    assert await findings(home) == []
    assert (await home.persons.find(ACTOR.account, email("ann@example.com"))) is not None


async def test_an_orphaned_claim_is_found_and_freed(home: House) -> None:
    """Of an owner who doesn't hold it, and of one who is gone; no value is told."""
    ann = await home.persons.find(ACTOR.account, email("ann@example.com"))
    assert ann is not None
    for owner, address in ((ann.id, "other@example.com"), (ids.new("per"), "gone@example.com")):
        claim = Claim(email(address).claim(ACTOR.account), ACTOR.account, owner, "sub_1", clock.now())
        await home.engine.write("claims", [Insert(claim.document())])
    found = await findings(home)
    assert [one.problem for one in found] == ["ORPHANED_CLAIM"] * 2
    assert "example.com" not in repr(found)
    assert await problems(home, repair=True) == [("ORPHANED_CLAIM", True)] * 2
    assert (await home.person("gone@example.com")).emails[0].address == "gone@example.com"


async def test_two_owners_of_one_identifier_are_told_and_left_to_people(home: House) -> None:
    """Nobody's email is taken away by a repair."""
    bob = email("bob@example.com")
    change = {"$set": {"emails": [{"v": "ann@example.com", "p": True}, {"v": "bob@example.com", "p": False}]}}
    owner = await home.persons.find(ACTOR.account, bob)
    assert owner is not None
    await home.engine.write("persons", [Update({"_id": owner.id}, change)])
    # The words of both are what the document says, so they are mended.
    assert await problems(home, repair=True) == [("CONTESTED_CLAIM", False), ("STALE_FIELDS", True)]
    assert await problems(home, repair=True) == [("CONTESTED_CLAIM", False)]


async def test_a_claim_that_the_wrong_one_has_comes_to_its_holder(home: House) -> None:
    """It is freed first, then made for whoever holds the identifier."""
    key = email("ann@example.com").claim(ACTOR.account)
    bob = await home.persons.find(ACTOR.account, email("bob@example.com"))
    assert bob is not None
    wrong = Claim(key, ACTOR.account, bob.id, "sub_1", clock.now())
    await home.engine.write("claims", [Replace({"_id": key}, wrong.document())])
    assert await problems(home, repair=True) == [("ORPHANED_CLAIM", True), ("MISSING_CLAIM", True)]
    assert await findings(home) == []


async def test_a_link_to_a_company_that_is_gone_is_found_and_taken_off(home: House) -> None:
    """The person stays, at the next version."""
    (company,) = await home.engine.find("companies", {})
    await home.engine.write("companies", [Delete({"_id": company["_id"]})])
    gone: list[Any] = [one.problem for one in await findings(home, repair=True)]
    assert sorted(gone) == ["DANGLING_LINK", "ORPHANED_CLAIM", "ORPHANED_CLAIM"]
    ann = await home.persons.find(ACTOR.account, Locator("externalId", "ann"))
    assert ann is not None
    assert (ann.memberships, ann.version) == ([], 3)
    assert await findings(home) == []


async def test_what_an_older_version_left_out_is_found_and_made(home: House) -> None:
    """Names to order by, words to look up, lists beside the other values: until then lists pass such a profile over."""
    ann = await home.persons.find(ACTOR.account, email("ann@example.com"))
    assert ann is not None
    old = {"$unset": {"first": "", "last": ""}, "$set": {"words": ["ann"], "a.att_9": [{"sku": "x"}]}}
    await home.engine.write("persons", [Update({"_id": ann.id}, old)])
    await home.engine.write("companies", [Update({"name": "Acme"}, {"$unset": {"words": ""}})])
    assert await problems(home) == [("STALE_FIELDS", False)] * 2
    assert await problems(home, repair=True) == [("STALE_FIELDS", True)] * 2
    assert await findings(home) == []
    query = await home.persons.query(ACTOR.account, {"externalId": {"eq": "ann"}})
    assert [one.id for one in (await home.persons.page(ACTOR.account, query, Slice())).items] == [ann.id]
    (kept,) = await home.engine.find("persons", {"_id": ann.id})
    assert (kept["first"], kept["l"], "a" in kept) == ("", {"att_9": [{"sku": "x"}]}, False)
