"""Persons through their service, on both stores."""

import asyncio
from typing import Any

import pytest

from app.catalog.checks import Listing
from app.catalog.model import AttributeDefinition, ItemField
from app.claims.model import Locator
from app.companies.model import Company
from app.core import clock, ids
from app.core.errors import Refusals, Refused
from app.core.pages import Slice
from app.core.text import FORBIDDEN_IN_NAMES
from app.mongo.engine import Engine, Insert
from app.persons import items
from app.persons.lists import NEWEST, ORDERS
from app.persons.plan import Link, Unlink
from app.persons.wish import Given
from app.timeline.service import EVERYTHING
from tests.make import ACTOR, House, email, given, house


@pytest.fixture
def home(engine: Engine) -> House:
    """Give the services on a store."""
    return house(engine)


def codes(error: BaseException) -> list[tuple[str, tuple[str, ...]]]:
    """Return code and path of what was refused."""
    refusals = error.refusals if isinstance(error, Refusals) else (error,)
    return [(one.code, one.path) for one in refusals if isinstance(one, Refused)]


async def refused(work: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Return what an awaitable is refused with."""
    with pytest.raises((Refused, Refusals)) as caught:
        await work
    return codes(caught.value)


async def types(home: House, subject: str) -> list[str]:
    """Return the types of a subject's events, newest first."""
    page = await home.timeline.of_subjects("acc_1", [subject], EVERYTHING, Slice(50))
    return [one.type for one in page.items]


async def define(home: House, name: str, type_: str, *fields: ItemField, target: str = "PERSON") -> AttributeDefinition:
    """Define an attribute."""
    one = AttributeDefinition(ids.new("atr"), target, name, type_, clock.now(), item_fields=tuple(fields))
    return await home.catalog.define_attribute("acc_1", one)


async def test_a_new_person_is_found_by_every_identifier(home: House) -> None:
    """Email in any case, phone in digits, external id as it is."""
    made = await home.person("Ann@Example.com ", phones=["+43 (660) 123-456"], external_id="A-1", first_name="Ann")
    assert (made.type, made.created_from, made.emails[0].primary) == ("CUSTOMER", "API", True)
    for locator in (email("ann@example.com"), Locator("phone", "43660123456"), Locator("externalId", "A-1")):
        found = await home.persons.find("acc_1", locator)
        assert found is not None
        assert found.id == made.id
    assert await home.persons.find("acc_2", email("ann@example.com")) is None
    assert await home.persons.get("acc_2", made.id) is None
    assert await types(home, made.subjects[0]) == ["personCreated"]


async def test_a_taken_email_is_refused_with_its_owner(home: House) -> None:
    """Nothing of the second person remains."""
    first = await home.person("a@example.com")
    with pytest.raises(Refusals) as caught:
        await home.person("b@example.com", "A@example.com")
    assert codes(caught.value) == [("DUPLICATE_EMAIL", ("emails", "1", "address"))]
    assert caught.value.refusals[0].owner == first.id
    assert await home.persons.find("acc_1", email("b@example.com")) is None


async def test_of_many_parallel_creates_one_succeeds(home: House) -> None:
    """A hundred with one email make one person."""
    work = [home.person("same@example.com") for _ in range(100)]
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in outcomes) == 1
    assert all(codes(one)[0][0] == "DUPLICATE_EMAIL" for one in outcomes if isinstance(one, Refused | Refusals))
    assert await home.persons.count("acc_1", {}) == 1


async def test_two_processes_can_not_both_take_an_email(engine: Engine) -> None:
    """Two services on one store contend for fifty addresses, one wins each."""
    one, other = house(engine), house(engine)
    work = [who.person(f"{i}@example.com") for i in range(50) for who in (one, other)]
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 50
    assert all(isinstance(outcome, Refusals) for outcome in outcomes if isinstance(outcome, BaseException))
    assert await one.persons.count("acc_1", {}) == 50


@pytest.mark.parametrize("char", FORBIDDEN_IN_NAMES)
@pytest.mark.parametrize("field", ["first_name", "last_name", "middle_name", "nickname"])
async def test_forbidden_characters_are_named(engine: Engine, char: str, field: str) -> None:
    """Each of the sixteen in each of four names is refused, and nothing is written."""
    home = house(engine)
    name = {"first_name": "firstName", "last_name": "lastName", "middle_name": "middleName"}.get(field, field)
    assert await refused(home.person("a@example.com", **{field: f"a{char}b"})) == [("FORBIDDEN_CHARACTER", (name,))]
    assert await home.persons.count("acc_1", {}) == 0


async def test_names_of_all_scripts_are_kept(home: House) -> None:
    """Apostrophes, hyphens and letters of any script pass unchanged."""
    for i, name in enumerate(["O'Brien", "Anne-Marie", "Łukasz", "李", "é"]):
        assert (await home.person(f"{i}@example.com", first_name=name)).first_name == name


async def test_an_update_adds_and_keeps(home: House) -> None:
    """What is absent stays, null clears, lists grow."""
    made = await home.person("a@example.com", tags=["old"], first_name="Ann", city="Graz")
    change = Given(None, {"city": None}, None, Listing(add=[("06601234567", None)]), Listing(add=["new"]), nested=True)
    after = await home.persons.update(ACTOR, email("a@example.com"), change)
    assert (after.first_name, after.city, after.tags, after.version) == ("Ann", None, ["old", "new"], 2)
    assert [one.number for one in after.phones] == ["06601234567"]
    assert await types(home, made.subjects[0]) == ["tagAdded", "contactAdded", "personUpdated", "personCreated"]
    again = await home.persons.update(ACTOR, email("a@example.com"), Given(scalars={"first_name": "Ann"}))
    assert again.version == 2


async def test_sets_and_removes_contacts(home: House) -> None:
    """`set` replaces, `remove` takes off; the oldest left becomes primary; the last identifier stays."""
    await home.person("a@example.com", "b@example.com", "c@example.com")
    gone = Given(emails=Listing(remove=["A@example.com"]), nested=True)
    after = await home.persons.update(ACTOR, email("b@example.com"), gone)
    assert [(one.address, one.primary) for one in after.emails] == [("b@example.com", True), ("c@example.com", False)]
    after = await home.persons.update(
        ACTOR, email("b@example.com"), Given(emails=Listing([("d@example.com", None)]), nested=True)
    )
    assert [one.address for one in after.emails] == ["d@example.com"]
    last = Given(emails=Listing([]), nested=True)
    assert await refused(home.persons.update(ACTOR, email("d@example.com"), last)) == [("NO_IDENTIFIER", ())]
    assert await home.persons.find("acc_1", email("b@example.com")) is None


async def test_replacing_empties_what_is_absent(home: House) -> None:
    """Names, tags and emails go; without an identifier it is refused."""
    await home.person("a@example.com", first_name="Ann", tags=["x"])
    after = await home.persons.update(
        ACTOR, email("a@example.com"), given(last_name="Berg", phones=["06601234567"]), overwrite=True
    )
    assert (after.first_name, after.last_name, after.tags, after.emails) == (None, "Berg", [], [])
    none = home.persons.update(ACTOR, Locator("phone", "06601234567"), given(last_name="Berg"), overwrite=True)
    assert await refused(none) == [("NO_IDENTIFIER", ())]


async def test_deleting_frees_identifiers_and_timeline(home: House) -> None:
    """The person is gone, the address may be taken, only the last event stays."""
    made = await home.person("a@example.com")
    assert await home.persons.delete(ACTOR, email("a@example.com")) == made.id
    assert await home.persons.get("acc_1", made.id) is None
    assert await types(home, made.subjects[0]) == ["personDeleted"]
    assert (await home.person("a@example.com")).id != made.id
    assert await refused(home.persons.delete(ACTOR, Locator("id", made.id))) == [("PERSON_NOT_FOUND", ("by",))]


async def test_an_expected_version_must_hold(home: House) -> None:
    """A change based on an older state is refused."""
    await home.person("a@example.com")
    stale = home.persons.update(ACTOR, email("a@example.com"), Given(scalars={"city": "Graz"}), expected=7)
    assert await refused(stale) == [("VERSION_CONFLICT", ("expectedVersion",))]


async def test_a_lead_is_promoted_and_stays_customer(home: House) -> None:
    """Up by update, never down."""
    made = await home.person("a@example.com", type_="LEAD")
    after = await home.persons.update(ACTOR, email("a@example.com"), Given("CUSTOMER"))
    assert after.type == "CUSTOMER"
    assert await refused(home.persons.update(ACTOR, email("a@example.com"), Given("LEAD"))) == [
        ("TYPE_NOT_ALLOWED", ("type",))
    ]
    assert (await types(home, made.subjects[0]))[0] == "personPromoted"


async def test_limits_hold_at_the_last_character(home: House) -> None:
    """One more is refused, one less accepted."""
    assert await refused(home.person("a@example.com", first_name="x" * 256)) == [("TOO_LONG", ("firstName",))]
    assert await refused(home.person("a@example.com", city="x" * 51)) == [("TOO_LONG", ("city",))]
    assert await refused(home.person("a@example.com", external_id="x" * 257)) == [("TOO_LONG", ("externalId",))]
    assert await refused(home.person(*(f"{i}@example.com" for i in range(101)))) == [("TOO_MANY", ("emails",))]
    await home.person(
        *(f"{i}@example.com" for i in range(100)), first_name="x" * 255, city="x" * 50, external_id="x" * 256
    )


async def test_custom_attributes_keep_their_types(home: House) -> None:
    """Round trips are exact; wrong types and unknown names are refused by name."""
    for name, type_ in (("n", "INTEGER"), ("d", "DATE"), ("f", "DECIMAL"), ("b", "BOOLEAN"), ("a$.b", "STRING")):
        await define(home, name, type_)
    await define(home, "t", "DATE_TIME")
    values = {
        "n": 2**63 - 1,
        "d": "2026-05-04",
        "f": 0.5,
        "b": True,
        "a$.b": "x" * 4096,
        "t": "2026-05-04T10:00:00.000Z",
    }
    made = await home.person("a@example.com", attributes=values)
    found = await home.persons.get("acc_1", made.id)
    assert found is not None
    assert found.custom_attributes == values
    assert found.attribute("N") == 2**63 - 1
    assert await refused(home.person("b@example.com", attributes={"n": "1"})) == [
        ("WRONG_ATTRIBUTE_TYPE", ("customAttributes", "n"))
    ]
    assert await refused(home.person("b@example.com", attributes={"zz": 1})) == [
        ("UNKNOWN_ATTRIBUTE", ("customAttributes", "zz"))
    ]


async def test_a_deleted_attribute_never_shows_old_values(home: House) -> None:
    """The name is free at once, for any type, also as another process sees it."""
    await define(home, "size", "INTEGER")
    made = await home.person("a@example.com", attributes={"size": 3})
    other = house(home.engine)
    await other.persons.get("acc_1", made.id)
    await home.catalog.delete_attribute("acc_1", "PERSON", "SIZE")
    await define(home, "size", "STRING")
    for service in (home, house(home.engine)):
        found = await service.persons.get("acc_1", made.id)
        assert found is not None
        assert found.custom_attributes == {}


async def test_lists_grow_change_and_shrink(home: House) -> None:
    """Items get ids of the server, keep their order, and are changed by id."""
    await define(home, "orders", "LIST", ItemField("sku", "STRING"), ItemField("n", "INTEGER"))
    await home.person("a@example.com")
    who = email("a@example.com")
    after = await home.persons.change_items(ACTOR, who, "orders", items.appended([{"sku": "a", "n": 1}, {"sku": "b"}]))
    first, second = after.custom_attributes["orders"]
    patch = items.patched([{"__id": first["__id"], "n": None}])
    after = await home.persons.change_items(ACTOR, who, "orders", patch)
    assert after.custom_attributes["orders"] == [{"__id": first["__id"], "sku": "a"}, second]
    after = await home.persons.change_items(ACTOR, who, "orders", items.without([first["__id"]]))
    assert after.custom_attributes["orders"] == [second]
    many = home.persons.change_items(ACTOR, who, "orders", items.appended([{"sku": "x"}] * 129))
    assert await refused(many) == [("TOO_MANY", ("items",))]
    unknown = home.persons.change_items(ACTOR, who, "orders", items.patched([{"__id": "no"}]))
    assert await refused(unknown) == [("NOT_FOUND", ("items", "0", "__id"))]
    after = await home.persons.change_items(ACTOR, who, "orders", items.without(None))
    assert after.custom_attributes == {}


async def test_pages_go_both_ways_without_repeats(home: House) -> None:
    """Forward and backward pages together are the whole list."""
    made = [(await home.person(f"{i}@example.com")).id for i in range(5)]
    first = await home.persons.page("acc_1", {}, Slice(2))
    assert first.has_next
    behind = await home.persons.page("acc_1", {}, Slice(3, NEWEST.position(first.items[-1])))
    assert [one.id for one in (*first.items, *behind.items)] == made[::-1]
    back = await home.persons.page("acc_1", {}, Slice(2, NEWEST.position(behind.items[0]), backward=True))
    assert [one.id for one in back.items] == [one.id for one in first.items]
    upward = await home.persons.page("acc_1", {}, Slice(5), ORDERS["UPDATED_AT"].turned(descending=False))
    assert [one.id for one in upward.items] == made


async def test_filters_find_exactly(home: House) -> None:
    """Strings without case, tags, ids, types, dates, combinations and searches."""
    ann = await home.person("ann@example.com", first_name="Ann", tags=["vip"], birth_date="1980-02-03")
    bob = await home.person("bob@sample.org", first_name="Bob", type_="LEAD", phones=["+1 555 1234567"])

    async def found(wanted: dict[str, Any] | None, search: str | None = None) -> set[str]:
        query = await home.persons.query("acc_1", wanted, search)
        return {one.id for one in (await home.persons.page("acc_1", query, Slice(10))).items}

    assert await found({"firstName": {"eq": "ANN"}}) == {ann.id}
    assert await found({"firstName": {"startsWith": "b"}}) == {bob.id}
    assert await found({"email": {"endsWith": "SAMPLE.org"}}) == {bob.id}
    assert await found({"email": {"in": ["Ann@example.com"]}}) == {ann.id}
    assert await found({"phone": {"eq": "+1 (555) 123-4567"}}) == {bob.id}
    assert await found({"tags": {"has": "VIP"}}) == {ann.id}
    assert await found({"tags": {"hasNone": ["vip", "none"]}}) == {bob.id}
    assert await found({"type": "LEAD", "ids": [ann.id, bob.id]}) == {bob.id}
    assert await found({"or": [{"type": "LEAD"}, {"birthDate": {"lt": "1990-01-01"}}]}) == {ann.id, bob.id}
    assert await found({"not": {"firstName": {"exists": True}}}) == set()
    assert await found(None, "an exam") == {ann.id}
    assert await found(None, "555") == set()
    assert await home.persons.count("acc_1", await home.persons.query("acc_1", {"type": "LEAD"})) == 1


async def test_members_join_and_leave_a_company(home: House) -> None:
    """Both timelines tell it; a repeated link changes nothing; an unknown person refuses all."""
    ann, bob = await home.person("ann@example.com"), await home.person("bob@example.com")
    company, subject = ids.new("com"), ids.new("sub")
    await home.engine.write("companies", [Insert({"_id": company, "account": "acc_1"})])
    both = [email("ann@example.com"), Locator("id", bob.id)]
    for _ in range(2):
        await home.persons.link(ACTOR, both, Link(company, subject, "buyer"))
    page = await home.persons.members("acc_1", company, Slice(1))
    assert page.has_next
    assert page.items[0].memberships[0].role == "buyer"
    assert await types(home, subject) == ["memberJoined", "memberJoined"]
    unknown = home.persons.link(ACTOR, [*both, email("no@example.com")], Unlink(company, subject))
    assert await refused(unknown) == [("PERSON_NOT_FOUND", ("persons", "2"))]
    now = clock.now()
    gone = Company(company, "acc_1", ann.catalog, "Acme", [subject], now, now, "API", "API")
    await home.persons.leave_all(ACTOR, gone)
    assert (await home.persons.members("acc_1", company, Slice(5))).items == []
    assert (await types(home, ann.subjects[0]))[0] == "companyUnlinked"


async def test_a_refused_change_leaves_the_old_value(home: House) -> None:
    """Forbidden characters on update and replace; elsewhere the same characters are fine."""
    await home.person("a@example.com", first_name="Ann")
    bad = {"first_name": "A<"}
    for overwrite in (False, True):
        work = home.persons.update(ACTOR, email("a@example.com"), Given(scalars=bad), overwrite=overwrite)
        assert await refused(work) == [("FORBIDDEN_CHARACTER", ("firstName",))]
    after = await home.persons.update(ACTOR, email("a@example.com"), Given(scalars={"address": "<1> & 2"}))
    assert (after.first_name, after.address) == ("Ann", "<1> & 2")


async def test_nothing_that_identifies_is_no_person(home: House) -> None:
    """A name alone is refused, and so is one character too many of an attribute."""
    assert await refused(home.person(first_name="Ann")) == [("NO_IDENTIFIER", ())]
    await define(home, "s", "STRING")
    long = home.person("a@example.com", attributes={"s": "x" * 4097})
    assert await refused(long) == [("TOO_LONG", ("customAttributes", "s"))]
    assert await home.persons.count("acc_1", {}) == 0
