"""What becomes of records whose making was not heard of, that were left alone, that moved, that are mapped no more."""

from typing import Any
from unittest.mock import AsyncMock

import pytest

from app.core import clock
from app.sync import line, salesforce_bulk
from app.sync.crm import Away
from app.sync.run import Run
from app.sync.worker import IDLE_SECONDS
from tests.api import ATTRIBUTE, UPDATE
from tests.stories.syncing import DELETE, RESOLVE, Side

LEAVE = """mutation($company: CompanyLocator!, $persons: [PersonLocator!]!) {
  unlinkPersons(company: $company, persons: $persons) { errors { code } } }"""
BOTH = {"first": "firstName", "last": "lastName", "email": "email", "phone": "phone", "city": "city"}


async def updated(side: Side, person: dict[str, Any], **given: Any) -> None:
    """Change a person here."""
    payload = await side.api(UPDATE, by={"id": person["id"]}, input=given)
    assert payload["errors"] == [], payload


async def rests(side: Side) -> bool:
    """Tell whether the next pass is no sooner than after a pass that found nothing to wait for."""
    (kept,) = await side.api.service.store.engine.find("syncs", {"_id": side.id})
    return bool((kept["due"] - clock.now()).total_seconds() > IDLE_SECONDS / 2)


async def test_records_that_nothing_mapped_tells_apart_are_made_once(side: Side) -> None:
    """W the answer about records of persons known by what isn't mapped is lost T each is linked; none is made anew."""
    side.fake.advance(-3600)
    older = side.add("contact", last="Lovelace")
    side.fake.advance(3600)
    await side.begun("contact", fields=BOTH)
    made = [await side.api.made(lastName="Lovelace", externalId=one) for one in ("K1", "K2")]
    side.fake.faults["drop_after_commit"] = 1.0
    await side.ran()
    side.fake.faults["drop_after_commit"] = 0.0
    await side.ran()
    one = await side.ran()
    persons = [await side.person(id=each["id"]) for each in made]
    linked = {link["recordId"] for person in persons for link in person["crmLinks"]}
    assert linked | {older} == {record["id"] for record in side.records("contact")}
    assert len(linked) == 2
    assert [issue["recordId"] for issue in one["issues"]["nodes"]] == [older]


async def test_a_contact_that_is_not_mapped_is_waited_for_by_nobody(side: Side) -> None:
    """W only leads are mapped and one is converted T its person is a customer, and the connection rests."""
    lead = side.add("lead", first="Ada", last="Lovelace", email="ada@sales.example")
    await side.begun("lead")
    side.convert(lead)
    await side.ran()
    assert (await side.of("lead", lead))["type"] == "CUSTOMER"
    assert await rests(side)


@pytest.mark.parametrize("way", ["in", "out"])
async def test_records_that_are_mapped_no_more_are_waited_for_by_nobody(
    side: Side, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """W what was to be tried again is mapped no more, or not to be written any more T the connection rests."""
    monkeypatch.setattr(line, "RETRY_SECONDS", 1.0)
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", "lead", fields=BOTH)
    await side.api.made(lastName="Byron", emails=[{"address": "byron@sales.example"}])
    await side.ran()
    if way == "in":
        side.edit("contact", record, email="byron@sales.example")
    else:
        side.fake.faults["partial"] = 1.0
        await updated(side, await side.of("contact", record), city="Graz")
    one = await side.ran()
    side.fake.faults["partial"] = 0.0
    assert [issue["state"] for issue in one["issues"]["nodes"]] == ["RETRYING"]
    await side.mapped("lead", fields=BOTH)
    for _ in range(2):
        await side.ran()
    assert await rests(side)


async def quarrelled(side: Side, entity: str) -> tuple[str, dict[str, Any]]:
    """Return a record, and its person, whose city was written and turned back until it is left alone."""
    record = side.add(entity, first="Ada", last="Lovelace", email="ada@sales.example", city="Theirs")
    await side.begun("contact", "lead", fields=BOTH)
    person = await side.of(entity, record)
    for _ in range(4):
        await updated(side, person, city="Ours")
        await side.ran()
        side.fake.advance(5)
        side.edit(entity, record, city="Theirs")
        await side.ran()
    (issue,) = (await side.seen())["issues"]["nodes"]
    assert "left alone" in issue["message"]
    return record, {**await side.of(entity, record), "issue": issue}


async def test_the_other_fields_of_a_record_go_on_where_one_is_left_alone(side: Side) -> None:
    """W a city is left alone T the first name comes, the last name goes, the city stays listed until it is ruled."""
    record, person = await quarrelled(side, "contact")
    side.edit("contact", record, first="Augusta")
    await updated(side, person, lastName="King")
    await side.ran()
    one = await side.ran()
    assert [issue["id"] for issue in one["issues"]["nodes"]] == [person["issue"]["id"]]
    there, here = side.record("contact", record), await side.of("contact", record)
    assert (there["first"], there["last"], there["city"]) == ("Augusta", "King", "Theirs")
    assert (here["firstName"], here["lastName"], here["city"]) == ("Augusta", "King", "Ours")
    assert (await side.api(RESOLVE, id=person["issue"]["id"], keep=None))["errors"] == []
    await side.rested()
    assert side.record("contact", record)["city"] == "Ours"
    assert (await side.seen())["issues"]["nodes"] == []


@pytest.mark.parametrize("full", [False, True])
async def test_a_record_of_which_a_field_is_left_alone_may_be_deleted(side: Side, full: bool) -> None:  # noqa: FBT001
    """W a record whose city is left alone is deleted there T the profile is linked no more, and that is listed."""
    record, person = await quarrelled(side, "contact")
    side.delete("contact", record)
    one = await side.ran(full=full)
    assert (await side.person(id=person["id"]))["crmLinks"] == []
    assert ["deleted" in issue["message"] for issue in one["issues"]["nodes"]] == [True]


async def test_a_lead_of_which_a_field_is_left_alone_may_be_converted(side: Side) -> None:
    """W a lead whose city is left alone is converted into a contact with another email T both are the same person."""
    lead, person = await quarrelled(side, "lead")
    contact = side.convert(lead)
    side.edit("contact", contact, email="other@sales.example")
    await side.ran()
    await side.ran()
    found = await side.of("contact", contact)
    assert (found["id"], found["type"]) == (person["id"], "CUSTOMER")


@pytest.mark.parametrize("way", ["out", "full"])
async def test_a_merge_there_is_one_whoever_meets_it_first(side: Side, way: str) -> None:
    """W a merged record is written to, or all are compared, before a list tells of it T the profile has the other."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    master = side.add("contact", last="King")
    one = await side.begun("contact", fields=BOTH)
    (issue,) = one["issues"]["nodes"]
    assert issue["recordId"] == master
    person = await side.of("contact", record)
    side.fake.merge(side.name("contact"), master, record)
    if way == "out":
        await updated(side, person, city="Graz")
    await side.ran(full=way == "full")
    side.fake.advance(60)
    await side.ran()
    one = await side.ran()
    assert [link["recordId"] for link in (await side.person(id=person["id"]))["crmLinks"]] == [master]
    assert [issue["recordId"] for issue in one["issues"]["nodes"]] == [record]


def parent(side: Side, company: str) -> dict[str, Any]:
    """Make an account, as somebody there does; returns what says of a contact that it belongs to it."""
    name = "Name" if side.system == "SALESFORCE" else "name"
    account = side.fake.add(side.name("account"), **{name: company})
    return {"AccountId": account} if side.system == "SALESFORCE" else {"parentcustomerid": ("account", account)}


def member(side: Side, **fields: Any) -> str:
    """Make a contact that belongs to an account."""
    return side.add("contact", **fields, **parent(side, "Acme"))


async def test_people_are_members_of_companies_that_are_mapped_later(side: Side) -> None:
    """G contacts alone were mapped W accounts are mapped too T who belongs to one is a member of its company."""
    record = member(side, last="Lovelace", email="ada@sales.example")
    side.fake.advance(3600)
    side.add("contact", last="Byron", email="byron@sales.example")
    await side.begun("contact")
    assert (await side.of("contact", record))["companies"]["nodes"] == []
    await side.mapped("account", "contact")
    await side.ran()
    assert [one["name"] for one in (await side.of("contact", record))["companies"]["nodes"]] == ["Acme"]


async def test_people_are_members_of_companies_that_are_linked_later(side: Side) -> None:
    """G an account of another one's name was listed W it is renamed T who belongs to it is a member, and reads end."""
    parent(side, "Acme")
    record = member(side, last="Lovelace", email="ada@sales.example")
    # So that nothing is read again for its being new.
    side.fake.advance(3600)
    side.add("contact", last="Byron", email="byron@sales.example")
    await side.begun("account", "contact")
    assert (await side.of("contact", record))["companies"]["nodes"] == []
    key, name = ("Id", "Name") if side.system == "SALESFORCE" else ("id", "name")
    account = side.fake.records(side.name("account"))[-1][key]
    side.fake.edit(side.name("account"), account, **{name: "Bolt"})
    await side.ran()
    assert [one["name"] for one in (await side.of("contact", record))["companies"]["nodes"]] == ["Bolt"]
    one = await side.ran()
    assert (one["counts"]["updated"], one["issues"]["nodes"], await rests(side)) == (0, [], True)


@pytest.mark.parametrize("new", [False, True])
async def test_a_choice_in_other_letters_is_no_change_when_it_comes_back(side: Side, new: bool) -> None:  # noqa: FBT001
    """W a choice is written here in letters of its own T the CRM has its own, and what comes back changes nothing."""
    field, value = ("LeadSource", "web") if side.system == "SALESFORCE" else ("gendercode", "male")
    assert (await side.api(ATTRIBUTE, input={"name": "Choice", "type": "STRING"}))["errors"] == []
    if not new:
        side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields={"last": "lastName", "email": "email", field: "customAttributes.Choice"})
    given = {"customAttributes": {"Choice": value}}
    if new:
        person = await side.api.made(lastName="Lovelace", emails=[{"address": "ada@sales.example"}], **given)
    else:
        person = await side.person(email="ada@sales.example")
        await updated(side, person, **given)
    await side.ran()
    (raw,) = side.fake.records(side.name("contact"))
    assert raw[field]
    before = await side.person(id=person["id"])
    one = await side.ran(full=True)
    after = await side.person(id=person["id"])
    assert (one["counts"]["pushed"], after["version"]) == (0, before["version"])
    assert after["customAttributes"] == {"Choice": value}


async def test_a_conflict_of_a_field_that_is_mapped_no_more_is_listed_no_more(side: Side) -> None:
    """W two fields were changed on both sides, and one of them is mapped no more T the other's conflict is left."""
    record = side.add("contact", first="Ada", last="Lovelace", email="ada@sales.example", city="Graz")
    await side.begun("contact", fields=BOTH)
    side.edit("contact", record, first="Augusta", city="Linz")
    await updated(side, await side.of("contact", record), firstName="Gusta", city="Wels")
    one = await side.ran()
    assert sorted(issue["field"] for issue in one["issues"]["nodes"]) == ["city", "firstName"]
    await side.mapped("contact", fields={name: field for name, field in BOTH.items() if name != "first"})
    one = await side.ran()
    assert [issue["field"] for issue in one["issues"]["nodes"]] == ["city"]


async def test_a_value_that_the_crm_cannot_be_without_holds_up_no_other(side: Side) -> None:
    """W a last name that Salesforce needs is emptied here, and a city changed T the city goes, the name is listed."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=BOTH)
    person = await side.of("contact", record)
    await updated(side, person, lastName=None, city="Graz")
    one = await side.ran()
    there = side.record("contact", record)
    # Forms of Dynamics ask for it, its API doesn't.
    left, listed = ("Lovelace", ["lastName"]) if side.system == "SALESFORCE" else (None, [])
    assert (there["city"], there["last"]) == ("Graz", left)
    assert [issue["field"] for issue in one["issues"]["nodes"]] == listed
    one = await side.ran(full=True)
    assert (one["counts"]["pushed"], (await side.person(id=person["id"]))["lastName"]) == (0, None)
    await updated(side, person, lastName="King")
    one = await side.ran()
    assert (side.record("contact", record)["last"], one["issues"]["nodes"]) == ("King", [])


async def test_who_left_a_company_here_is_no_member_again_until_the_record_moves(side: Side) -> None:
    """W a person left the company here, and the contact changes T that stays so; moved to another account, it joins."""
    record = member(side, last="Lovelace", email="ada@sales.example")
    await side.begun("account", "contact")
    person = await side.of("contact", record)
    (company,) = person["companies"]["nodes"]
    left = await side.api(LEAVE, company={"id": company["id"]}, persons=[{"id": person["id"]}])
    assert left["errors"] == []
    side.edit("contact", record, city="Graz")
    await side.ran()
    await side.ran(full=True)
    person = await side.of("contact", record)
    assert (person["city"], person["companies"]["nodes"]) == ("Graz", [])
    side.edit("contact", record, **parent(side, "Byron Ltd"))
    await side.ran()
    assert [one["name"] for one in (await side.of("contact", record))["companies"]["nodes"]] == ["Byron Ltd"]


@pytest.mark.parametrize("late", [False, True])
async def test_who_was_deleted_here_does_not_come_back_by_a_conversion(side: Side, late: bool) -> None:  # noqa: FBT001
    """W a person is deleted here, and the lead is converted there, at once or after a pass T nobody is made of it."""
    lead = side.add("lead", first="Ada", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", "lead", fields=BOTH)
    assert (await side.api(DELETE, by={"email": "ada@sales.example"}))["errors"] == []
    if late:
        side.edit("lead", lead, city="Graz")
        await side.ran()
    contact = side.convert(lead)
    await side.ran()
    side.edit("contact", contact, city="Linz")
    await side.ran()
    one = await side.ran(full=True)
    assert await side.of("contact", contact) is None
    assert await side.person(email="ada@sales.example") is None
    assert one["issues"]["nodes"] == []


async def test_nothing_is_listed_of_a_record_that_is_gone_on_both_sides(side: Side) -> None:
    """G a second record of somebody, listed W they are deleted here, and it there, before a pass T nothing is."""
    side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=BOTH)
    twin = side.add("contact", last="Lovelace", email="ada@sales.example")
    assert [each["recordId"] for each in (await side.ran())["issues"]["nodes"]] == [twin]
    assert (await side.api(DELETE, by={"email": "ada@sales.example"}))["errors"] == []
    side.delete("contact", twin)
    await side.ran()
    assert (await side.ran())["issues"]["nodes"] == []


async def test_deletions_that_are_not_told_are_found_though_the_crm_is_away_meanwhile(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W all is compared anew, and the CRM is away when it is asked what is gone T a later pass finds it."""
    monkeypatch.setattr(salesforce_bulk, "BULK_RECORDS", 0)
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    side.add("contact", last="Byron", email="byron@sales.example")
    await side.begun("contact", fields=BOTH)
    side.fake.delete(side.name("contact"), record)
    with monkeypatch.context() as broken:
        broken.setattr(Run, "_compare", AsyncMock(side_effect=Away("The CRM is away.")))
        assert (await side.ran(full=True))["state"] == "FAILING"
    one = await side.ran()
    assert [(each["recordId"], "deleted" in each["message"]) for each in one["issues"]["nodes"]] == [(record, True)]
    assert (await side.person(email="ada@sales.example"))["crmLinks"] == []
