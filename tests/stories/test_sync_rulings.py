"""What becomes of issues: how conflicts are ruled, what is tried again and when, and what has an issue go."""

from typing import Any

from tests.api import UPDATE
from tests.stories.syncing import RESOLVE, Connection, Side

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
