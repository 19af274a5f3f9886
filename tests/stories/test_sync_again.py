"""Records that were deleted in a CRM and are there again: whose they are, and whose they are not."""

import pytest

from tests.api import UPDATE
from tests.stories.syncing import DELETE, Side

FIELDS = {"first": "firstName", "last": "lastName", "email": "email", "city": "city"}
ADA = {"last": "Lovelace", "email": "ada@sales.example"}
PERSONS = "{ persons(first: 9) { nodes { id } } }"


async def deleted(side: Side, entity: str = "contact") -> tuple[str, str]:
    """Return a record that was deleted there, and the person who had it."""
    record = side.add(entity, **ADA)
    await side.begun("contact", "lead", fields=FIELDS)
    person = await side.of(entity, record)
    side.delete(entity, record)
    await side.ran()
    return record, str(person["id"])


async def renamed(side: Side, person: str) -> None:
    """Give a person another email."""
    given = {"emails": {"set": [{"address": "king@sales.example"}]}}
    assert (await side.api(UPDATE, by={"id": person}, input=given))["errors"] == []


@pytest.mark.parametrize("entity", ["contact", "lead"])
async def test_it_is_its_persons_whatever_their_email_is_by_now(side: Side, entity: str) -> None:
    """W the person has another email by then T the record is theirs again, both sides agree, and nobody is made."""
    record, person = await deleted(side, entity)
    await renamed(side, person)
    await side.ran()
    side.undelete(entity, record, **ADA)
    await side.ran()
    one = await side.ran()
    assert [each["id"] for each in (await side.api(PERSONS))["nodes"]] == [person]
    found = await side.of(entity, record)
    assert [each["address"] for each in found["emails"] if each["primary"]] == [ADA["email"]]
    assert [each["email"] for each in side.records(entity)] == [ADA["email"]]
    assert one["issues"]["nodes"] == []


async def test_it_is_nobodys_where_somebody_else_has_its_email_by_now(side: Side) -> None:
    """W its email is another one's by then T both are named by an issue, and neither has it."""
    record, person = await deleted(side)
    await renamed(side, person)
    other = await side.api.made(lastName="Lovelace", emails=[{"address": ADA["email"]}])
    await side.ran()
    side.undelete("contact", record, **ADA)
    one = await side.ran()
    (issue,) = [each for each in one["issues"]["nodes"] if each["recordId"] == record]
    assert person in issue["message"]
    assert other["id"] in issue["message"]
    assert await side.of("contact", record) is None


async def test_it_is_nobodys_where_its_person_was_deleted_here(side: Side) -> None:
    """W the person is deleted here between T nobody is made of the record, however it changes."""
    record, person = await deleted(side)
    assert (await side.api(DELETE, by={"id": person}))["errors"] == []
    side.undelete("contact", record, **ADA)
    await side.ran()
    side.edit("contact", record, city="Graz")
    one = await side.ran(full=True)
    assert (await side.api(PERSONS))["nodes"] == []
    assert one["issues"]["nodes"] == []


async def test_a_company_that_was_deleted_here_is_not_made_again(side: Side) -> None:
    """G its account was deleted there W the company is deleted here, and the account is there again T nobody has it."""
    name = "Name" if side.system == "SALESFORCE" else "name"
    account = side.fake.add(side.name("account"), **{name: "Acme"})
    await side.begun("account")
    side.delete("account", account)
    await side.ran()
    gone = 'mutation { deleteCompany(by: {name: "Acme"}) { errors { code } } }'
    assert (await side.api(gone))["errors"] == []
    if side.system == "SALESFORCE":
        side.undelete("account", account)
    else:
        side.fake.add("account", accountid=account, name="Acme")
    await side.ran()
    assert (await side.api("{ companies(first: 9) { nodes { id } } }"))["nodes"] == []
