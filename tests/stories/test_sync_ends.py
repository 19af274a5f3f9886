"""What becomes of records whose making was not heard of, that were left alone, that moved, that are mapped no more."""

from typing import Any

from tests.api import UPDATE
from tests.stories.syncing import Side

BOTH = {"first": "firstName", "last": "lastName", "email": "email", "phone": "phone", "city": "city"}


async def updated(side: Side, person: dict[str, Any], **given: Any) -> None:
    """Change a person here."""
    payload = await side.api(UPDATE, by={"id": person["id"]}, input=given)
    assert payload["errors"] == [], payload


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
