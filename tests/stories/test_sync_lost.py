"""Records whose making was not heard of: what becomes of them where their profiles are others by the next pass."""

from typing import Any

import pytest

from tests.api import COMPANY, UPDATE
from tests.stories.syncing import DELETE, Side

BOTH = {"first": "firstName", "last": "lastName", "email": "email", "phone": "phone", "city": "city"}
RENAME = """mutation($by: CompanyLocator!, $input: UpdateCompanyInput!) {
  updateCompany(by: $by, input: $input) { errors { code } } }"""


async def unheard(side: Side, **given: Any) -> str:
    """Make a person whose record is made as well, of which nobody is told."""
    made = await side.api.made(**given)
    side.fake.faults["drop_after_commit"] = 1.0
    await side.ran()
    side.fake.faults["drop_after_commit"] = 0.0
    return str(made["id"])


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"externalId": "K1"}, {"lastName": "King"}),
        ({"emails": [{"address": "ada@sales.example"}]}, {"emails": {"set": [{"address": "king@sales.example"}]}}),
        (
            {"externalId": "K1", "emails": [{"address": "ada@sales.example"}]},
            {"emails": {"set": []}, "lastName": "King"},
        ),
        ({"phones": [{"number": "+43 664 1234567"}]}, {"phones": {"set": [{"number": "+43 664 7654321"}]}}),
    ],
)
@pytest.mark.parametrize("fault", ["", "reformat"])
async def test_who_is_another_one_by_then_has_one_record(
    side: Side, first: dict[str, Any], then: dict[str, Any], fault: str
) -> None:
    """W a making is not heard of, and what says who it is changes here T record and person are one, and agree."""
    await side.begun("contact", fields=BOTH)
    if fault:
        side.fake.faults[fault] = 1.0
    person = await unheard(side, lastName="Lovelace", **first)
    payload = await side.api(UPDATE, by={"id": person}, input=then)
    assert payload["errors"] == []
    await side.ran()
    issues = (await side.ran())["issues"]["nodes"]
    (record,) = side.records("contact")
    found = await side.of("contact", record["id"])
    assert (found["id"], found["lastName"]) == (person, record["last"])
    assert [each["address"] for each in found["emails"]] == [one.lower() for one in [record["email"]] if one]
    assert len((await side.api("{ persons(first: 9) { nodes { id } } }"))["nodes"]) == 1
    assert issues == []


async def test_a_company_that_has_another_name_by_then_has_one_record(side: Side) -> None:
    """W the making of an account is not heard of, and the company is renamed here T it has one account, renamed."""
    await side.begun("account")
    payload = await side.api(COMPANY, input={"name": "Acme"})
    side.fake.faults["drop_after_commit"] = 1.0
    await side.ran()
    side.fake.faults["drop_after_commit"] = 0.0
    renamed = await side.api(RENAME, by={"id": payload["company"]["id"]}, input={"name": "Bolt"})
    assert renamed["errors"] == []
    await side.ran()
    one = await side.ran()
    name = "Name" if side.system == "SALESFORCE" else "name"
    assert [each[name] for each in side.fake.records(side.name("account"))] == ["Bolt"]
    assert [each["name"] for each in (await side.api("{ companies(first: 9) { nodes { name } } }"))["nodes"]] == [
        "Bolt"
    ]
    assert one["issues"]["nodes"] == []


async def test_what_was_changed_there_meanwhile_is_not_written_over(side: Side) -> None:
    """W a making is not heard of, and a city is changed there, a first name here T each side has both."""
    await side.begun("contact", fields=BOTH)
    person = await unheard(side, lastName="Lovelace", city="Graz", emails=[{"address": "ada@sales.example"}])
    (record,) = side.records("contact")
    side.fake.advance(5)
    side.edit("contact", record["id"], city="Linz")
    assert (await side.api(UPDATE, by={"id": person}, input={"firstName": "Ada"}))["errors"] == []
    await side.ran()
    one = await side.ran()
    found, (record,) = await side.of("contact", record["id"]), side.records("contact")
    assert (found["id"], found["firstName"], found["city"]) == (person, "Ada", "Linz")
    assert (record["first"], record["city"], one["issues"]["nodes"]) == ("Ada", "Linz", [])


@pytest.mark.parametrize("fault", ["", "reformat"])
async def test_who_was_deleted_here_meanwhile_does_not_come_back(side: Side, fault: str) -> None:
    """W a making is not heard of, and the person is deleted here T nothing is kept of them, nobody is made of it."""
    await side.begun("contact", fields=BOTH)
    if fault:
        side.fake.faults[fault] = 1.0
    person = await unheard(side, lastName="Lovelace", emails=[{"address": "ada@sales.example"}])
    assert (await side.api(DELETE, by={"id": person}))["errors"] == []
    (kept,) = await side.api.service.store.engine.find("syncLinks", {"connection": side.id})
    assert {"base", "sought"} & kept.keys() == set()
    side.add("contact", last="Byron", email="byron@sales.example")
    await side.ran()
    (record,) = [each for each in side.records("contact") if each["last"] == "Lovelace"]
    side.edit("contact", record["id"], city="Graz")
    await side.ran()
    one = await side.ran(full=True)
    found = (await side.api("{ persons(first: 9) { nodes { lastName } } }"))["nodes"]
    assert (found, one["issues"]["nodes"]) == ([{"lastName": "Byron"}], [])
    assert not any(each["state"] == "pending" or each["record"].startswith("?") for each in await linked(side))


async def linked(side: Side) -> list[dict[str, Any]]:
    """Return what is kept of records."""
    return list(await side.api.service.store.engine.find("syncLinks", {"connection": side.id}))
