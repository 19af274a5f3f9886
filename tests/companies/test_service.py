"""Companies through their service, on both stores."""

import asyncio
from typing import Any

import pytest

from app.catalog.checks import Listing
from app.companies.lists import NEWEST
from app.companies.model import sought
from app.companies.service import Companies
from app.companies.wish import Given
from app.core.errors import Refusals, Refused
from app.core.pages import Slice
from app.mongo.engine import Engine
from app.timeline.service import EVERYTHING
from tests.make import ACTOR, House, house


@pytest.fixture
def home(engine: Engine) -> House:
    """Give the services on a store."""
    return house(engine)


@pytest.fixture
def companies(home: House) -> Companies:
    """Give the companies of the same store."""
    return Companies(home.engine, home.claims, home.catalog, home.persons)


async def refused(work: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Return what an awaitable is refused with."""
    with pytest.raises((Refused, Refusals)) as caught:
        await work
    error = caught.value
    refusals = error.refusals if isinstance(error, Refusals) else (error,)
    return [(one.code, one.path) for one in refusals if isinstance(one, Refused)]


async def test_a_company_is_found_by_each_locator(companies: Companies) -> None:
    """Id, external id, name and domain in any case; never by another account."""
    scalars = {"name": " Acme GmbH ", "external_id": "X-1", "country": "AT"}
    made = await companies.create(ACTOR, Given(scalars, Listing(["Acme.example."]), Listing(["vip"])))
    assert (made.name, made.domains, made.tags, made.version) == ("Acme GmbH", ["acme.example"], ["vip"], 1)
    locators = (("id", made.id), ("externalId", "X-1"), ("name", "ACME gmbh"), ("domain", "ACME.example"))
    for kind, value in locators:
        found = await companies.find("acc_1", kind, value)
        assert found is not None
        assert found.id == made.id
        assert await companies.find("acc_2", kind, value) is None


async def test_taken_names_and_domains_are_refused(companies: Companies) -> None:
    """Each with its code and path; parallel ones too."""
    await companies.create(ACTOR, Given({"name": "Acme"}, Listing(["a.example"])))
    again = companies.create(ACTOR, Given({"name": "ACME"}, Listing(["b.example", "A.example"])))
    assert sorted(await refused(again)) == [("DUPLICATE_DOMAIN", ("domains", "1")), ("DUPLICATE_NAME", ("name",))]
    work = [companies.create(ACTOR, Given({"name": "Same"})) for _ in range(5)]
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in outcomes) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Given({}), ("REQUIRED", ("name",))),
        (Given({"name": " "}), ("REQUIRED", ("name",))),
        (Given({"name": "x" * 256}), ("TOO_LONG", ("name",))),
        (Given({"name": "a", "notes": "x" * 1024}), ("TOO_LONG", ("notes",))),
        (Given({"name": "a"}, Listing(["no domain"])), ("INVALID", ("domains", "0"))),
        (Given({"name": "a"}, Listing(["a.b"] * 101)), ("TOO_MANY", ("domains",))),
        (Given({"name": "a"}, attributes={"x": 1}), ("UNKNOWN_ATTRIBUTE", ("customAttributes", "x"))),
    ],
)
async def test_bad_input_is_refused(companies: Companies, given: Given, expected: tuple[str, tuple[str, ...]]) -> None:
    """With a code and a path, and nothing is written."""
    assert await refused(companies.create(ACTOR, given)) == [expected]
    assert (await companies.page("acc_1", {}, Slice())).items == []


async def test_updates_add_set_and_clear(home: House, companies: Companies) -> None:
    """Tags are appended by `add` and replaced by `set`; null clears; each change is told once."""
    made = await companies.create(ACTOR, Given({"name": "Acme", "country": "AT"}, tags=Listing(["a"])))
    change = Given({"country": None}, Listing(add=["x.example"]), Listing(add=["b"]), nested=True)
    after = await companies.update(ACTOR, sought("id", made.id), change, expected=1)
    assert (after.country, after.domains, after.tags, after.version) == (None, ["x.example"], ["a", "b"], 2)
    after = await companies.update(ACTOR, sought("id", made.id), Given(tags=Listing(["c"]), nested=True))
    assert after.tags == ["c"]
    assert (await companies.update(ACTOR, sought("id", made.id), Given({"name": "Acme"}))).version == 3
    after = await companies.update(
        ACTOR,
        sought("id", made.id),
        Given(domains=Listing(remove=["X.example"]), tags=Listing(remove=["C"]), nested=True),
    )
    assert (after.domains, after.tags) == ([], [])
    stale = companies.update(ACTOR, sought("id", made.id), Given({"country": "DE"}), expected=1)
    assert await refused(stale) == [("VERSION_CONFLICT", ("expectedVersion",))]
    missing = companies.update(ACTOR, sought("id", "com_none"), Given({"country": "DE"}))
    assert await refused(missing) == [("COMPANY_NOT_FOUND", ("by",))]
    page = await home.timeline.of_subjects("acc_1", made.subjects, EVERYTHING, Slice())
    assert [one.type for one in page.items] == ["companyUpdated"] * 3 + ["companyCreated"]


async def test_deleting_frees_the_name(companies: Companies) -> None:
    """And the company is gone."""
    made = await companies.create(ACTOR, Given({"name": "Acme"}))
    await companies.delete(ACTOR, made)
    assert await companies.get("acc_1", made.id) is None
    assert (await companies.create(ACTOR, Given({"name": "Acme"}))).id != made.id


async def test_companies_page_both_ways(companies: Companies) -> None:
    """Newest first, without repeats."""
    made = [await companies.create(ACTOR, Given({"name": f"c{number}"})) for number in range(4)]
    first = await companies.page("acc_1", {}, Slice(2))
    rest = await companies.page("acc_1", {}, Slice(2, NEWEST.position(first.items[-1])))
    assert [one.id for one in (*first.items, *rest.items)] == [one.id for one in made[::-1]]
    back = await companies.page("acc_1", {}, Slice(5, NEWEST.position(rest.items[0]), backward=True))
    assert [one.id for one in back.items] == [one.id for one in first.items]


async def test_persons_inherit_tags_of_their_companies_in_filters(home: House, companies: Companies) -> None:
    """A tag of the company finds its members."""
    made = await companies.create(ACTOR, Given({"name": "Acme"}, tags=Listing(["vip"])))
    ann = await home.person("ann@example.com")
    await home.person("bob@example.com")
    await home.link(made, ann)
    query = await home.persons.query("acc_1", {"tags": {"has": "VIP"}})
    assert [one.id for one in (await home.persons.page("acc_1", query, Slice())).items] == [ann.id]
