"""Synchronizations of persons and companies with several records: which of them is whose, and which is written to."""

from unittest.mock import AsyncMock

import pytest

from app.core import clock
from app.sync.crm import Away
from app.sync.push import Push
from tests.api import UPDATE, Api
from tests.stories.syncing import DELETE, DISCONNECT, RESOLVE, Side, sided

DELETE_ALL = "mutation($persons: [PersonLocator!]!) { deletePersons(by: $persons) { deletedIds errors { code } } }"
FIELDS = {"first": "firstName", "last": "lastName", "email": "email", "city": "city"}
MERGE = """mutation($input: MergePersonsInput!) {
  mergePersons(input: $input) { person { id } merge { id } errors { code } } }"""
REVERT = "mutation($id: ID!) { revertMerge(id: $id) { persons { id } errors { code } } }"
NAMED = {**FIELDS, "phone": "phone"}
NAME = {"SALESFORCE": "Name", "DYNAMICS": "name"}


async def two(side: Side) -> tuple[list[str], list[str]]:
    """Have two contacts, the second one later; return them, and their persons."""
    records = [side.add("contact", last="One", email="one@sales.example")]
    await side.begun("contact", fields=FIELDS)
    records.append(side.add("contact", last="Two", email="two@sales.example"))
    await side.ran()
    return records, [(await side.of("contact", one))["id"] for one in records]


async def merged(side: Side, persons: list[str]) -> str:
    """Merge persons, and have it run; return the merge."""
    payload = await side.api(MERGE, input={"persons": [{"id": one} for one in persons]})
    assert payload["errors"] == []
    await side.ran()
    return str(payload["merge"]["id"])


async def changed(side: Side, person: str, **given: str) -> None:
    """Change a person here, and have it run."""
    payload = await side.api(UPDATE, by={"id": person}, input=given)
    assert payload["errors"] == []
    await side.ran()


async def apart(side: Side) -> tuple[list[str], list[str]]:
    """Have two who were one for a while, in which the second one's record was looked at."""
    records, persons = await two(side)
    merge = await merged(side, persons)
    side.edit("contact", records[1], first="Touched")
    await side.ran()
    payload = await side.api(REVERT, id=merge)
    assert payload["errors"] == []
    return records, persons


@pytest.mark.usefixtures("once")
async def test_whoever_is_back_from_a_merge_has_their_own_record(side: Side) -> None:
    """W each is changed for itself T each change goes to their own record."""
    records, persons = await apart(side)
    await side.ran()
    await changed(side, persons[1], city="Linz")
    await side.ran()
    await changed(side, persons[0], city="Wien", lastName="First")
    found = [side.record("contact", one) for one in records]
    assert [(one["last"], one["city"], one["email"]) for one in found] == [
        ("First", "Wien", "one@sales.example"),
        ("Two", "Linz", "two@sales.example"),
    ]


async def test_whoever_is_back_from_a_merge_stays_when_the_other_one_goes(side: Side) -> None:
    """W the one they were merged into is deleted T their own record is written to as ever."""
    records, persons = await apart(side)
    assert (await side.api(DELETE, by={"id": persons[0]}))["errors"] == []
    await side.ran()
    for city in ("Wien", "Linz"):
        await changed(side, persons[1], city=city)
        assert side.record("contact", records[1])["city"] == city


async def test_the_record_that_is_left_is_written_to(side: Side) -> None:
    """G one person of two records W the newer one is deleted there T changes go to the other."""
    records, persons = await two(side)
    await merged(side, persons)
    side.delete("contact", records[1])
    await side.ran()
    await changed(side, persons[0], city="Wien")
    assert side.record("contact", records[0])["city"] == "Wien"


@pytest.mark.parametrize("first", ["here", "there"])
async def test_what_is_merged_on_both_sides_goes_on_as_one(side: Side, first: str) -> None:
    """Whichever side is first: nobody is asked to merge who is one already, and changes go out."""
    records, persons = await two(side)
    if first == "here":
        await merged(side, persons)
    side.fake.merge(side.name("contact"), *records)
    side.fake.advance(60)
    one = await side.ran()
    assert ("another profile" in one["issues"]["nodes"][0]["message"]) == (first == "there")
    if first == "there":
        await merged(side, persons)
    await changed(side, persons[0], city="Wien")
    assert side.record("contact", records[0])["city"] == "Wien"


@pytest.mark.parametrize("beside", [False, True])
async def test_a_person_has_a_record_in_each_org(side: Side, api: Api, beside: bool) -> None:  # noqa: FBT001 - by name
    """G a sandbox W production is connected, instead of it or beside it T its records are linked, none is made."""
    async with sided(api, side.system) as production:
        side.add("contact", last="Lovelace", email="ada@sales.example")
        for number in range(3):
            # So that ids are others than those of the sandbox.
            production.add("lead", last=f"Other{number}")
        await side.begun("contact", fields=FIELDS)
        if not beside:
            assert (await api(DISCONNECT, id=side.id))["errors"] == []
        for _ in range(3):
            record = production.add("contact", last="Somebody", email=f"x{_}@sales.example")
        production.edit("contact", record, last="Lovelace", email="ada@sales.example")
        await production.begun("contact", fields=FIELDS)
        assert len(production.records("contact")) == 3
        assert (await production.of("contact", record))["id"] == (await side.person(email="ada@sales.example"))["id"]


async def test_two_accounts_of_one_name_are_not_one_company(side: Side) -> None:
    """The second one is listed; each keeps what it says there. Also where both come at once."""
    name = NAME[side.system]
    first = side.fake.add(side.name("account"), **{name: "Acme"})
    await side.begun("account")
    others = [side.fake.add(side.name("account"), **{name: one}) for one in ("Acme", "Bolt", "Bolt")]
    one = await side.ran()
    listed = {each["recordId"] for each in one["issues"]["nodes"]}
    assert others[0] in listed
    assert len(listed & set(others[1:])) == 1
    assert all("linked to another record already" in each["message"] for each in one["issues"]["nodes"])
    side.fake.edit(side.name("account"), first, **{name: "Acme North"})
    side.fake.edit(side.name("account"), others[0], **{name: "Acme South"})
    await side.ran()
    key = "Id" if side.system == "SALESFORCE" else "id"
    kept = {each[key]: each[name] for each in side.fake.records(side.name("account"))}
    assert (kept[first], kept[others[0]]) == ("Acme North", "Acme South")


async def doubtful(side: Side) -> tuple[str, list[str]]:
    """Have a contact that might be of two; return it, and them."""
    await side.begun("contact", fields=NAMED)
    persons = [
        await side.api.made(lastName="One", emails=[{"address": "one@sales.example"}]),
        await side.api.made(lastName="Two", phones=[{"number": "+43 664 1234567"}]),
    ]
    record = side.add("contact", last="One", email="one@sales.example", phone="+43 664 1234567")
    one = await side.ran()
    (issue,) = one["issues"]["nodes"]
    ids = [each["id"] for each in persons]
    assert (issue["recordId"], all(each in issue["message"] for each in ids)) == (record, True)
    # Nobody else is made there, however often it is looked at.
    await changed(side, ids[1], city="Wien")
    await side.ran(full=True)
    assert [each["id"] for each in side.records("contact")] == [record]
    return record, ids


async def resolved(side: Side) -> None:
    """Have what is listed tried again; nothing is listed then."""
    (issue,) = (await side.seen())["issues"]["nodes"]
    assert (await side.api(RESOLVE, id=issue["id"], keep=None))["errors"] == []
    await side.rested()
    one = await side.ran()
    assert one["issues"]["nodes"] == []


async def test_a_record_of_two_is_their_own_when_they_are_one(side: Side) -> None:
    """W a record might be of two, who are merged then T it is the survivor's, and no other was made."""
    record, persons = await doubtful(side)
    await merged(side, persons)
    await resolved(side)
    assert (await side.of("contact", record))["id"] in persons
    assert len(side.records("contact")) == 1


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize("way", ["there", "gone"])
async def test_whoever_is_not_meant_by_a_record_has_one_of_their_own(side: Side, way: str) -> None:
    """W a record might be of two, and one is told from it there, or it is deleted T each has a record."""
    record, persons = await doubtful(side)
    if way == "there":
        side.edit("contact", record, phone=None)
        await side.ran()
    else:
        side.delete("contact", record)
        await side.ran()
    one = await side.ran()
    assert one["issues"]["nodes"] == []
    found = [await side.person(id=each) for each in persons]
    linked = [link["recordId"] for person in found for link in person["crmLinks"]]
    assert sorted(linked) == sorted(each["id"] for each in side.records("contact"))
    assert (len(linked), record in linked) == (2, way == "there")


async def test_a_record_of_two_is_the_others_when_one_is_deleted_here(side: Side) -> None:
    """W a record might be of two, of whom one is deleted here T it is the other's; then nobody's, for ever."""
    record, persons = await doubtful(side)
    assert (await side.api(DELETE, by={"id": persons[0]}))["errors"] == []
    one = await side.ran()
    assert (await side.of("contact", record))["id"] == persons[1]
    assert one["issues"]["nodes"] == []


@pytest.mark.parametrize("several", [False, True])
async def test_nobody_comes_back_by_another_record(side: Side, several: bool) -> None:  # noqa: FBT001 - by name
    """W who has a record, or may have it, is deleted here, and another record names them T nobody is made of it."""
    if several:
        record, persons = await doubtful(side)
    else:
        side.add("contact", last="One", email="one@sales.example")
        await side.begun("contact", fields=NAMED)
        record = side.add("contact", last="One", email="one@sales.example", phone="+43 664 1234567")
        assert len((await side.ran())["issues"]["nodes"]) == 1
        persons = [(await side.person(email="one@sales.example"))["id"]]
    gone = await side.api(DELETE_ALL, persons=[{"id": each} for each in persons])
    assert gone["errors"] == []
    await side.ran()
    side.edit("contact", record, first="Ada")
    one = await side.ran(full=True)
    assert (await side.api("{ persons(first: 9) { nodes { id } } }"))["nodes"] == []
    assert one["issues"]["nodes"] == []


async def test_a_lead_that_became_somebody_elses_contact_gets_no_other_one(side: Side) -> None:
    """W a lead is converted into the contact of another person here T it is listed, no other is made."""
    contact = side.add("contact", last="One", email="one@sales.example")
    lead = side.add("lead", last="Two", email="two@sales.example")
    await side.begun("contact", "lead", fields=NAMED)
    persons = [(await side.of("contact", contact))["id"], (await side.of("lead", lead))["id"]]
    side.convert(lead, contact)
    await side.ran()
    one = await side.ran(full=True)
    assert ["merge them" in each["message"] for each in one["issues"]["nodes"]] == [True]
    assert [each["id"] for each in side.records("contact")] == [contact]
    await merged(side, persons)
    await resolved(side)
    assert [each["id"] for each in side.records("contact")] == [contact]
    assert {link["recordId"] for link in (await side.of("contact", contact))["crmLinks"]} == {contact, lead}


@pytest.mark.parametrize("survivor", [0, 1])
@pytest.mark.parametrize("entity", ["contact", "lead"])
async def test_the_contact_that_a_lead_became_goes_with_it_when_a_merge_is_undone(
    side: Side, entity: str, survivor: int
) -> None:
    """W a lead is converted while its person is one with another T told apart they have their own records again."""
    lead = side.add("lead", last="One", email="one@sales.example")
    other = side.add(entity, last="Two", email="two@sales.example")
    await side.begun("contact", "lead", fields=NAMED)
    persons = [(await side.of("lead", lead))["id"], (await side.of(entity, other))["id"]]
    payload = await side.api(MERGE, input={"persons": [{"id": one} for one in persons], "into": persons[survivor]})
    await side.ran()
    # So that nothing is read again for its being new.
    side.fake.advance(3600)
    contact = side.convert(lead)
    await side.ran()
    side.fake.advance(3600)
    side.add("contact", last="Three", email="three@sales.example")
    await side.ran()
    assert (await side.api(REVERT, id=payload["merge"]["id"]))["errors"] == []
    for _ in range(3):
        await side.ran()
    person = await side.person(id=persons[0])
    assert (person["type"], {link["recordId"] for link in person["crmLinks"]}) == ("CUSTOMER", {lead, contact})
    assert contact not in [link["recordId"] for link in (await side.person(id=persons[1]))["crmLinks"]]
    for one, city in zip(persons, ("Linz", "Wels"), strict=True):
        await changed(side, one, city=city)
    there = side.record("contact", contact)
    assert (there["city"], there["email"]) == ("Linz", "one@sales.example")
    assert [one["recordId"] for one in (await side.seen())["issues"]["nodes"]] == []


@pytest.mark.usefixtures("once")
async def test_who_was_merged_before_they_were_held_off_has_a_record_when_it_is_told(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W one of two whom a record might be is merged with a third, and it is the other's T the third gets a record."""
    await side.begun("contact", fields=NAMED)
    one, other, third = [
        (await side.api.made(lastName=name, **given))["id"]
        for name, given in (
            ("One", {"emails": [{"address": "one@sales.example"}]}),
            ("Two", {"phones": [{"number": "+43 664 1234567"}]}),
            ("Three", {"externalId": "K3"}),
        )
    ]
    record = side.add("contact", last="One", email="one@sales.example", phone="+43 664 1234567")
    with monkeypatch.context() as broken:
        broken.setattr(Push, "changed", AsyncMock(side_effect=Away("The CRM is away.")))
        assert (await side.ran())["state"] == "FAILING"
    payload = await side.api(MERGE, input={"persons": [{"id": one}, {"id": third}], "into": third})
    assert payload["errors"] == []
    await side.ran()
    assert [each["id"] for each in side.records("contact")] == [record]
    side.edit("contact", record, email=None)
    await side.ran()
    assert (await side.of("contact", record))["id"] == other
    assert [each["last"] for each in side.records("contact") if each["id"] != record] == ["Three"]


@pytest.mark.usefixtures("once")
async def test_who_was_held_off_by_a_contact_has_one_when_it_is_gone(side: Side) -> None:
    """G a lead that became somebody else's contact W that is deleted there T it is nobody's, and holds off nobody."""
    contact = side.add("contact", last="One", email="one@sales.example")
    lead = side.add("lead", last="Two", email="two@sales.example")
    await side.begun("contact", "lead", fields=NAMED)
    side.convert(lead, contact)
    await side.ran()
    side.delete("contact", contact)
    await side.ran()
    await side.ran()
    (kept,) = await side.api.service.store.engine.find("syncLinks", {"connection": side.id, "record": contact})
    assert (kept["state"], kept.get("whose")) == ("deleted", None)
    # A lead of Salesforce goes on saying what it became.
    assert len(side.records("contact")) == (0 if side.system == "SALESFORCE" else 1)


async def test_a_contact_of_a_lead_that_is_refused_waits_for_its_time(side: Side) -> None:
    """G a lead again, by an undone merge, whose contact can't be taken in W passes run T it is read when it is due."""
    lead = side.add("lead", last="One", email="one@sales.example")
    await side.begun("contact", "lead", fields=NAMED)
    other = (await side.api.made(lastName="Two", emails=[{"address": "two@sales.example"}]))["id"]
    person = (await side.of("lead", lead))["id"]
    payload = await side.api(MERGE, input={"persons": [{"id": person}, {"id": other}], "into": person})
    contact = side.convert(lead)
    await side.ran()
    assert (await side.api(REVERT, id=payload["merge"]["id"]))["errors"] == []
    side.edit("contact", contact, email="two@sales.example")
    for _ in range(3):
        await side.ran()
    (kept,) = await side.api.service.store.engine.find("syncLinks", {"connection": side.id, "record": contact})
    assert (await side.person(id=person))["type"] == "LEAD"
    assert (kept["again"] - clock.now()).total_seconds() > 30


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize("city", ["Linz", "Wien"])
async def test_what_a_lead_became_while_it_was_one_with_a_customer_is_its_own(side: Side, city: str) -> None:
    """W a lead is changed there while its person is one with a customer T told apart the person has it."""
    lead = side.add("lead", last="One", email="one@sales.example", city="Linz")
    contact = side.add("contact", last="Two", email="two@sales.example", city=city)
    await side.begun("contact", "lead", fields=FIELDS)
    persons = [(await side.of("lead", lead))["id"], (await side.of("contact", contact))["id"]]
    payload = await side.api(MERGE, input={"persons": [{"id": one} for one in persons], "into": persons[1]})
    await side.ran()
    side.fake.advance(3600)
    side.edit("lead", lead, city="Wels")
    await side.ran()
    assert (await side.person(id=persons[1]))["city"] == city
    side.fake.advance(3600)
    assert (await side.api(REVERT, id=payload["merge"]["id"]))["errors"] == []
    for _ in range(3):
        await side.ran()
    assert [(await side.person(id=one))["city"] for one in persons] == ["Wels", city]
    assert (side.record("lead", lead)["city"], side.record("contact", contact)["city"]) == ("Wels", city)
