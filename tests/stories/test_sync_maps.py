"""Synchronizations whose mapping changes: what was known by another one says nothing of a field."""

from typing import Any
from unittest.mock import AsyncMock

import pytest

from app.mongo.engine import Update
from app.sync.crm import Away
from app.sync.run import Run
from tests.api import ATTRIBUTE, UPDATE
from tests.fakes import dynamics_web
from tests.stories.syncing import DISCONNECT, RESOLVE, SAVE, Side

EMAIL = "ada@sales.example"
FIELDS = {"first": "firstName", "last": "lastName", "email": "email", "city": "city"}
NAMES = (("email", "email", "BOTH"), ("last", "lastName", "BOTH"))


async def saved(side: Side, *fields: tuple[str, str, str]) -> None:
    """Map contacts by names and some more fields, and have it run."""
    contact = side.name("contact")
    mapped = [
        {"crmField": side.name(crm, contact), "field": ours, "direction": way} for crm, ours, way in (*NAMES, *fields)
    ]
    payload = await side.api(SAVE, id=side.id, mappings=[{"object": contact, "fields": mapped}])
    assert payload["errors"] == [], payload
    await side.ran()


async def changed(side: Side, **given: Any) -> None:
    """Change the person here."""
    payload = await side.api(UPDATE, by={"email": EMAIL}, input=given)
    assert payload["errors"] == [], payload


async def defined(side: Side, *names: str) -> None:
    """Define attributes."""
    for name in names:
        payload = await side.api(ATTRIBUTE, input={"name": name, "type": "STRING"})
        assert payload["errors"] == []


async def titled(side: Side) -> tuple[Any, Any]:
    """Have the person change, and a pass run; return the title there, and the attributes here."""
    await changed(side, lastName="Byron")
    await side.ran()
    (record,) = side.records("contact")
    assert record["last"] == "Byron"
    return record["title"], (await side.person(email=EMAIL))["customAttributes"]


async def test_a_field_that_is_mapped_to_another_attribute_fills_it(side: Side) -> None:
    """W its attribute is another one T what the CRM has comes in, and is not cleared by the next change here."""
    await defined(side, "Job", "Role")
    side.add("contact", last="Lovelace", email=EMAIL, title="Countess")
    await side.connected()
    await saved(side, ("title", "customAttributes.Job", "BOTH"))
    await saved(side, ("title", "customAttributes.Role", "BOTH"))
    assert await titled(side) == ("Countess", {"Job": "Countess", "Role": "Countess"})


async def test_an_attribute_that_is_defined_again_is_filled_again(side: Side) -> None:
    """G it was deleted while nothing ran W another one of its name is defined T it gets what the CRM has."""
    await defined(side, "Job")
    side.add("contact", last="Lovelace", email=EMAIL, title="Countess")
    await side.connected()
    await saved(side, ("title", "customAttributes.Job", "BOTH"))
    await side.api(DISCONNECT, id=side.id)
    assert await side.api.codes('mutation { deleteAttribute(name: "Job") { errors { code } } }') == []
    await side.connected()
    await defined(side, "Job")
    await side.ran()
    assert await titled(side) == ("Countess", {"Job": "Countess"})


async def test_the_order_of_phones_may_change(side: Side) -> None:
    """W the other field is the first one T neither number of the CRM is written over."""
    second = "Phone" if side.system == "SALESFORCE" else "telephone1"
    side.add("contact", last="Lovelace", email=EMAIL, phone="+436641111111", **{second: "+43155555555"})
    await side.connected()
    await saved(side, ("phone", "phone", "BOTH"), (second, "phone", "BOTH"))
    await saved(side, (second, "phone", "BOTH"), ("phone", "phone", "BOTH"))
    await titled(side)
    (record,) = side.fake.records(side.name("contact"))
    assert (record[second], record[side.name("phone")]) == ("+43155555555", "+436641111111")


@pytest.mark.parametrize("before", ["IN", "OUT"])
async def test_a_field_that_goes_both_ways_from_now_on_is_agreed_on(side: Side, before: str) -> None:
    """G both sides have other values, as one way allows W it goes both ways T they have the CRM's."""
    record = side.add("contact", last="Lovelace", email=EMAIL, city="Theirs")
    await side.connected()
    await saved(side, ("city", "city", before))
    if before == "IN":
        await changed(side, city="Ours")
        await side.ran()
    side.edit("contact", record, last="Byron", **({} if before == "IN" else {"city": "Theirs"}))
    await side.ran()
    await saved(side, ("city", "city", "BOTH"))
    assert ((await side.person(email=EMAIL))["city"], side.record("contact", record)["city"]) == ("Theirs", "Theirs")


async def test_a_field_that_was_left_out_for_a_while_is_compared(side: Side) -> None:
    """W it was changed here meanwhile, and is mapped again T that goes to the CRM."""
    record = side.add("contact", last="Lovelace", email=EMAIL, city="Graz")
    await side.connected()
    await saved(side, ("city", "city", "BOTH"))
    await saved(side)
    await changed(side, city="Linz", lastName="Byron")
    await side.ran()
    assert side.record("contact", record)["city"] == "Graz"
    await saved(side, ("city", "city", "BOTH"))
    assert side.record("contact", record)["city"] == "Linz"
    one = await side.ran(full=True)
    assert (one["counts"]["pushed"], one["counts"]["updated"], one["issues"]["nodes"]) == (0, 0, [])


async def test_of_an_object_that_is_mapped_no_more_nothing_is_listed(side: Side) -> None:
    """W contacts are mapped no more T none of their issues is listed; mapped again, all that is still so is."""
    record = side.add("contact", last="Lovelace", email=EMAIL)
    side.add("contact", last="Byron", email=EMAIL)
    side.add("contact", first="A<b>", last="Babbage", email="babbage@sales.example")
    await side.begun("contact", fields=FIELDS)
    await changed(side, firstName="x" * 60)
    await side.api.made(emails=[{"address": "x@sales.example"}], firstName="y" * 60)
    side.edit("contact", record, city="Graz")
    await changed(side, city="Linz")
    one = await side.ran()
    listed = sorted(issue["message"] for issue in one["issues"]["nodes"])
    assert len(listed) == 5
    one = await side.mapped("lead", fields=FIELDS)
    assert one["issues"]["nodes"] == []
    await side.ran(full=True)
    assert (await side.seen())["issues"]["nodes"] == []
    await side.mapped("contact", "lead", fields=FIELDS)
    one = await side.ran()
    # What was changed on both sides has been settled.
    assert sorted(issue["message"] for issue in one["issues"]["nodes"]) == [
        each for each in listed if "both" not in each
    ]
    one = await side.ran(full=True)
    assert (one["counts"]["pushed"], one["counts"]["updated"], one["counts"]["created"]) == (0, 0, 0)


async def test_what_became_of_records_is_listed_again_with_their_object(side: Side) -> None:
    """W objects are mapped no more, and again T deletions and leads of customers are listed as before."""
    await side.begun("contact", "lead", fields=FIELDS)
    gone = side.add("contact", last="Byron", email="byron@sales.example")
    side.add("contact", last="Lovelace", email=EMAIL)
    await side.ran()
    side.delete("contact", gone)
    lead = side.add("lead", last="Lovelace", email=EMAIL)
    await side.ran()
    one = await side.ran()
    listed = {issue["recordId"]: issue["message"] for issue in one["issues"]["nodes"]}
    assert listed.keys() == {gone, lead}
    await side.mapped("account")
    assert (await side.ran())["issues"]["nodes"] == []
    await side.mapped("contact", "lead", fields=FIELDS)
    one = await side.ran()
    assert {issue["recordId"]: issue["message"] for issue in one["issues"]["nodes"]} == listed
    # Who has looked at it is not told again.
    for issue in one["issues"]["nodes"]:
        assert (await side.api(RESOLVE, id=issue["id"], keep=None))["errors"] == []
    await side.rested()
    await side.mapped("account")
    await side.mapped("contact", "lead", fields=FIELDS)
    assert (await side.ran())["issues"]["nodes"] == []


async def test_what_could_not_be_taken_in_is_tried_again_by_another_mapping(side: Side) -> None:
    """G a contact without anything that is mapped and says who it is, given up W its phone is mapped T it is taken."""
    record = side.add("contact", last="Lovelace", phone="+436641111111")
    await side.begun("contact", fields={"last": "lastName", "email": "email"})
    engine = side.api.service.store.engine
    given_up = Update({"record": record}, {"$unset": {"again": ""}, "$set": {"tries": 9}})
    await engine.write("syncLinks", [given_up])
    await side.mapped("contact", fields={"last": "lastName", "email": "email", "phone": "phone"})
    one = await side.ran()
    assert ((await side.of("contact", record))["lastName"], one["issues"]["nodes"]) == ("Lovelace", [])


async def test_what_could_not_be_taken_in_is_tried_again_though_the_pass_breaks_off(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G the same, behind the first page W the pass breaks off there T the next one takes it."""
    side.fake.page_size = 1
    monkeypatch.setattr(dynamics_web, "PAGE_MAX", 1)
    side.add("contact", last="Byron", email="byron@sales.example")
    side.fake.advance(600)
    record = side.add("contact", last="Lovelace", phone="+436641111111")
    side.fake.advance(600)
    await side.begun("contact", fields={"last": "lastName", "email": "email"})
    engine = side.api.service.store.engine
    given_up = Update({"record": record}, {"$unset": {"again": ""}, "$set": {"tries": 9}})
    await engine.write("syncLinks", [given_up])
    await side.mapped("contact", fields={"last": "lastName", "email": "email", "phone": "phone"})
    with monkeypatch.context() as broken:
        broken.setattr(Run, "_standing", AsyncMock(side_effect=Away("The CRM is away.")))
        assert (await side.ran())["state"] == "FAILING"
    one = await side.ran()
    assert ((await side.of("contact", record))["lastName"], one["issues"]["nodes"]) == ("Lovelace", [])
