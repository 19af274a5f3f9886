"""What becomes of issues: how conflicts are ruled, what is tried again and when, and what has an issue go."""

from datetime import timedelta
from typing import Any

import pytest

from app.core import clock
from app.sync import line
from tests.api import ATTRIBUTE, UPDATE
from tests.stories.syncing import RESOLVE, SAVE, Connection, Side

FIELDS = {"first": "firstName", "last": "lastName", "email": "email", "phone": "phone", "city": "city"}


async def changed(side: Side, record: str, **given: Any) -> None:
    """Change the person of a record, as somebody here does."""
    person = await side.of("contact", record)
    payload = await side.api(UPDATE, by={"id": person["id"]}, input=given)
    assert payload["errors"] == [], payload


async def resolved(side: Side, issue: dict[str, Any], keep: str | None = None) -> Connection:
    """Resolve an issue, and wait for what comes of it."""
    payload = await side.api(RESOLVE, id=issue["id"], keep=keep)
    assert payload["errors"] == [], payload
    return await side.rested()


def issues_of(one: Connection) -> list[dict[str, Any]]:
    """Return what is listed."""
    found: list[dict[str, Any]] = one["issues"]["nodes"]
    return found


# ------------------------------------------------------------ a side is kept


async def test_a_phone_that_is_empty_in_the_crm_is_kept_empty(side: Side) -> None:
    """W a phone is emptied there and later changed here, and the CRM's side is kept T it is gone on both sides."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example", phone="436641234567")
    await side.begun("contact", fields=FIELDS)
    side.fake.advance(-5)
    side.edit("contact", record, phone=None)
    side.fake.advance(5)
    await changed(side, record, phones={"set": [{"number": "436647654321"}]})
    (issue,) = issues_of(await side.ran())
    assert (issue["crmValue"], issue["profileValue"]) == (None, "436647654321")
    one = await resolved(side, issue, "CRM")
    assert (await side.of("contact", record))["phones"] == []
    assert (side.record("contact", record)["phone"], issues_of(one)) == (None, [])


async def test_the_last_identifier_is_not_ruled_away(side: Side) -> None:
    """W the only email was emptied there and the CRM's side is kept T refused, it stays listed; ours can be kept."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=FIELDS)
    side.edit("contact", record, email=None)
    (issue,) = issues_of(await side.ran())
    assert await side.api.codes(RESOLVE, id=issue["id"], keep="CRM") == ["NO_IDENTIFIER"]
    assert [each["id"] for each in issues_of(await side.rested())] == [issue["id"]]
    assert [each["address"] for each in (await side.of("contact", record))["emails"]] == ["ada@sales.example"]
    one = await resolved(side, issue, "PROFILE")
    assert (side.record("contact", record)["email"], issues_of(one)) == ("ada@sales.example", [])


DAYS = {"SALESFORCE": "Born__c", "DYNAMICS": "birthdate"}


@pytest.mark.parametrize(("keep", "day"), [("PROFILE", "2000-02-29"), ("CRM", "2001-01-01")])
async def test_a_day_can_be_ruled(side: Side, keep: str, day: str) -> None:
    """W a day was changed on both sides T it is listed as a day, and either one can be kept."""
    name = DAYS[side.system]
    await side.api(ATTRIBUTE, input={"name": "Born", "type": "DATE"})
    record = side.add("contact", last="Lovelace", email="ada@sales.example", **{name: "1999-12-31"})
    await side.begun("contact", fields={"last": "lastName", "email": "email", name: "customAttributes.Born"})
    await changed(side, record, customAttributes={"Born": "2000-02-29"})
    side.fake.advance(5)
    side.edit("contact", record, **{name: "2001-01-01"})
    (issue,) = issues_of(await side.ran())
    assert (issue["crmValue"], issue["profileValue"]) == ("2001-01-01", "2000-02-29")
    one = await resolved(side, issue, keep)
    assert (await side.of("contact", record))["customAttributes"] == {"Born": day}
    assert ([each[name] for each in side.fake.records(side.name("contact"))], issues_of(one)) == ([day], [])


@pytest.mark.parametrize(("field", "ours", "theirs"), [("city", None, "Graz"), ("phones", {"set": []}, "436641234567")])
async def test_what_was_cleared_here_can_be_ruled(side: Side, field: str, ours: Any, theirs: str) -> None:
    """W a value was cleared here and changed there T it stays listed, and its being empty can be kept."""
    name = field.removesuffix("s")
    record = side.add("contact", last="Lovelace", email="ada@sales.example", city="Vienna", phone="436647654321")
    await side.begun("contact", fields=FIELDS)
    await changed(side, record, **{field: ours})
    side.fake.advance(5)
    side.edit("contact", record, **{name: theirs})
    await side.ran()
    side.edit("contact", record, last="Byron")
    (issue,) = issues_of(await side.ran())
    assert (issue["field"], issue["crmValue"], issue["profileValue"]) == (name, theirs, None)
    one = await resolved(side, issue, "PROFILE")
    assert (side.record("contact", record)[name], issues_of(one)) == (None, [])
    assert not (await side.person(email="ada@sales.example"))[field]


# ------------------------------------------------------------ tried again


async def test_what_is_as_wrong_as_before_is_listed_again(side: Side) -> None:
    """W a name that is too long there, and one that can't be here, are tried again T each is listed, as before."""
    long = side.add("contact", last="Lovelace", email="ada@sales.example")
    side.add("contact", first="A<b>", last="Byron", email="byron@sales.example")
    await side.begun("contact", fields=FIELDS)
    await changed(side, long, firstName="x" * 60)
    one = await side.ran()
    before = {issue["id"]: issue["message"] for issue in issues_of(one)}
    for issue in issues_of(one):
        await resolved(side, issue)
    one = await side.ran(full=True)
    assert len(before) == 2
    assert {issue["id"]: issue["message"] for issue in issues_of(one)} == before
    assert [each["first"] for each in side.records("contact")] == [None, "A<b>"]


async def test_what_is_right_by_now_is_written(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """W a change was refused until it was tried no more, and is tried again T it is written, and not listed."""
    monkeypatch.setattr(line, "RETRY_SECONDS", 0.0)
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=FIELDS)
    side.fake.faults["partial"] = 1.0
    await changed(side, record, city="Linz")
    (issue,) = issues_of(await side.ran())
    while issue["state"] == "RETRYING":
        (issue,) = issues_of(await side.ran())
    side.fake.faults["partial"] = 0.0
    await side.ran(full=True)
    assert side.record("contact", record)["city"] is None
    one = await resolved(side, issue)
    assert (side.record("contact", record)["city"], issues_of(one)) == ("Linz", [])


async def test_what_is_refused_here_waits_for_its_time(side: Side) -> None:
    """W a record gets the email of somebody else here T it is tried once, however often others are looked at."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=FIELDS)
    await side.api.made(lastName="Byron", emails=[{"address": "byron@sales.example"}])
    side.edit("contact", record, email="byron@sales.example")
    failed = [(await side.ran())["counts"]["failed"] for _ in range(10)]
    (issue,) = issues_of(await side.seen())
    assert (failed, issue["state"], issue["recordId"]) == ([1, *[0] * 9], "RETRYING", record)
    # It is another one now: that is looked at in no time.
    side.edit("contact", record, email="augusta@sales.example")
    assert issues_of(await side.ran()) == []
    assert [each["address"] for each in (await side.of("contact", record))["emails"]] == ["augusta@sales.example"]


async def test_a_refused_change_counts(side: Side) -> None:
    """W a change is refused there T the run says that one failed, and that nothing was written."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=FIELDS)
    side.fake.faults["partial"] = 1.0
    await changed(side, record, city="Linz")
    one = await side.ran()
    assert (one["counts"]["failed"], one["counts"]["pushed"], len(issues_of(one))) == (1, 0, 1)


# ------------------------------------------------------------ what is in order again


async def test_what_was_written_over_is_in_order(side: Side) -> None:
    """W a name of the CRM can't be here, and ours is written over it T it is listed no more."""
    record = side.add("contact", first="A<b>", last="Lovelace", email="ada@sales.example")
    assert len(issues_of(await side.begun("contact", fields=FIELDS))) == 1
    await changed(side, record, firstName="Ada")
    one = await side.ran()
    assert (side.record("contact", record)["first"], issues_of(one)) == ("Ada", [])


async def test_what_is_mapped_no_more_is_of_no_interest(side: Side) -> None:
    """W a name can't be here, another one is too long there, and none is mapped T nothing is listed."""
    long = side.add("contact", last="Lovelace", email="ada@sales.example")
    side.add("contact", first="A<b>", last="Byron", email="byron@sales.example")
    await side.begun("contact", fields=FIELDS)
    await changed(side, long, firstName="x" * 60)
    assert [issue["field"] for issue in issues_of(await side.ran())] == ["firstName", "firstName"]
    await side.mapped("contact", fields={"last": "lastName", "email": "email"})
    assert issues_of(await side.ran()) == []


async def test_nothing_is_wanting_where_nothing_goes(side: Side) -> None:
    """W somebody lacks what the CRM needs, and then all is only read T it is listed no more, and nothing waits."""
    await side.begun("contact", fields=FIELDS)
    await side.api.made(emails=[{"address": "ada@sales.example"}])
    assert len(issues_of(await side.ran())) == 1
    payload = await side.api(SAVE, id=side.id, mappings=[_read_only(side)])
    assert payload["errors"] == []
    assert issues_of(await side.ran()) == []
    assert await side.api.service.store.engine.find("syncLinks", {"connection": side.id}) == []


def _read_only(side: Side) -> dict[str, Any]:
    fields = {"last": "lastName", "email": "email"}
    named = [{"crmField": side.name(one), "field": ours, "direction": "IN"} for one, ours in fields.items()]
    return {"object": side.name("contact"), "fields": named}


async def test_a_record_that_is_there_again_is_not_listed_as_deleted(side: Side) -> None:
    """W a deleted record is taken out of the bin T its person has it again, and nothing is listed."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=FIELDS)
    before = await side.of("contact", record)
    side.delete("contact", record)
    assert [issue["recordId"] for issue in issues_of(await side.ran())] == [record]
    side.undelete("contact", record, last="Lovelace", email="ada@sales.example")
    assert issues_of(await side.ran()) == []
    assert (await side.of("contact", record))["id"] == before["id"]


# ------------------------------------------------------------ what is a change


LIMITS = {"SALESFORCE": "Score__c", "DYNAMICS": "creditlimit"}


async def test_large_numbers_are_told_apart(side: Side) -> None:
    """W the last of eleven digits is changed there T it is changed here."""
    name = LIMITS[side.system]
    await side.api(ATTRIBUTE, input={"name": "Limit", "type": "DECIMAL"})
    record = side.add("contact", last="Lovelace", email="ada@sales.example", **{name: 12345678901.0})
    await side.begun("contact", fields={"last": "lastName", "email": "email", name: "customAttributes.Limit"})
    side.edit("contact", record, **{name: 12345678904.0})
    await side.ran()
    assert (await side.of("contact", record))["customAttributes"] == {"Limit": 12345678904.0}


async def test_the_later_change_of_an_attribute_holds(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """W an attribute is changed here, later there, and then another one here T the CRM's change holds."""
    for name in ("Job", "Other"):
        await side.api(ATTRIBUTE, input={"name": name, "type": "STRING"})
    record = side.add("contact", last="Lovelace", email="ada@sales.example", title="Countess")
    await side.begun("contact", fields={"last": "lastName", "email": "email", "title": "customAttributes.Job"})
    await changed(side, record, customAttributes={"Job": "Poet"})
    side.fake.advance(5)
    side.edit("contact", record, title="Analyst")
    later = clock.now() + timedelta(seconds=20)
    with monkeypatch.context() as soon:
        soon.setattr(clock, "now", lambda: later)
        await changed(side, record, customAttributes={"Other": "x"})
    await side.ran()
    assert side.record("contact", record)["title"] == "Analyst"
    assert (await side.of("contact", record))["customAttributes"] == {"Job": "Analyst", "Other": "x"}
