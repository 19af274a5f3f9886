"""Synchronizations of leads that become contacts there: whose these are, whatever is mapped when they are read."""

import pytest

from tests.stories.syncing import DELETE, Side

MERGE = """mutation($input: MergePersonsInput!) {
  mergePersons(input: $input) { person { id } merge { id } errors { code } } }"""
REVERT = """mutation($id: ID!) {
  revertMerge(id: $id) { persons { id crmLinks { recordId } } keptFields errors { code } } }"""
FIELDS = {"first": "firstName", "last": "lastName", "email": "email", "city": "city"}


@pytest.mark.usefixtures("once")
async def test_who_is_held_off_by_a_lead_has_a_contact_when_leads_are_mapped_no_more(side: Side) -> None:
    """G a lead that became somebody else's contact W leads are mapped no more T its person gets one of their own.

    In Dynamics the contact says itself which lead it was: it goes on holding them off, and is listed.
    """
    contact = side.add("contact", last="One", email="one@sales.example")
    lead = side.add("lead", last="Two", email="two@sales.example")
    await side.begun("contact", "lead", fields=FIELDS)
    side.convert(lead, contact)
    await side.ran()
    await side.ran()
    assert [each["last"] for each in side.records("contact")] == ["One"]
    await side.mapped("contact", fields=FIELDS)
    one = await side.ran()
    there = ["One"] if one["issues"]["nodes"] else ["One", "Two"]
    assert sorted(each["last"] for each in side.records("contact")) == there
    assert bool(one["issues"]["nodes"]) == (side.system == "DYNAMICS")
    await side.mapped("contact", "lead", fields=FIELDS)
    await side.ran()
    one = await side.ran(full=True)
    assert (len(side.records("contact")), one["counts"]["pushed"]) == (len(there), 0)


@pytest.mark.parametrize("mapped", [("contact",), ("contact", "lead")])
async def test_who_was_deleted_does_not_come_back_by_what_a_lead_becomes_later(
    side: Side, mapped: tuple[str, ...]
) -> None:
    """W somebody is deleted whom an unread lead names, which is converted then T nobody is made; of a new one, yes."""
    await side.begun(*mapped, fields=FIELDS)
    made = await side.api.made(lastName="Lovelace", emails=[{"address": "ada@sales.example"}])
    lead = side.add("lead", first="Ada", last="Lovelace", email="ada@sales.example")
    assert (await side.api(DELETE, by={"id": made["id"]}))["errors"] == []
    side.fake.advance(3600)
    contact = side.convert(lead)
    await side.ran()
    side.edit("contact", contact, city="Graz")
    await side.ran()
    one = await side.ran(full=True)
    assert await side.person(email="ada@sales.example") is None
    assert one["issues"]["nodes"] == []
    newer = side.convert(side.add("lead", last="Lovelace", email="ada@sales.example"))
    await side.ran()
    assert (await side.of("contact", newer))["lastName"] == "Lovelace"


@pytest.mark.parametrize("early", [False, True])
async def test_what_a_lead_becomes_while_leads_are_not_mapped_is_its_persons(side: Side, early: bool) -> None:  # noqa: FBT001
    """W leads are mapped no more, and one becomes a contact with another email T it is the same person, a customer.

    `early`: it was converted while leads were mapped, and contacts were not.
    """
    lead = side.add("lead", last="Lovelace", email="ada@sales.example")
    await side.begun("lead", fields=FIELDS)
    person = (await side.of("lead", lead))["id"]
    if not early:
        await side.mapped("account")
        await side.ran()
    contact = side.convert(lead, side.add("contact", last="Lovelace", email="king@sales.example"))
    other = side.add("contact", last="Byron", email="byron@sales.example")
    await side.ran()
    await side.mapped("contact", fields=FIELDS)
    await side.ran()
    one = await side.ran(full=True)
    found = await side.of("contact", contact)
    assert (found["id"], found["type"], one["issues"]["nodes"]) == (person, "CUSTOMER", [])
    assert (await side.of("contact", other))["lastName"] == "Byron"
    await side.mapped("contact", "lead", fields=FIELDS)
    await side.ran()
    one = await side.ran(full=True)
    assert (one["issues"]["nodes"], len(side.records("contact"))) == ([], 2)
    assert {link["recordId"] for link in (await side.person(id=person))["crmLinks"]} == {lead, contact}


@pytest.mark.parametrize("survivor", [0, 1])
async def test_a_contact_that_goes_with_its_lead_is_kept_by_nobody_else(side: Side, survivor: int) -> None:
    """W a lead is converted while its person is one with another, and told apart T no crmLinks are said to be kept."""
    lead = side.add("lead", last="One", email="one@sales.example")
    other = side.add("lead", last="Two", email="two@sales.example")
    await side.begun("contact", "lead", fields=FIELDS)
    persons = [(await side.of("lead", each))["id"] for each in (lead, other)]
    payload = await side.api(MERGE, input={"persons": [{"id": one} for one in persons], "into": persons[survivor]})
    await side.ran()
    contact = side.convert(lead)
    await side.ran()
    undone = await side.api(REVERT, id=payload["merge"]["id"])
    assert undone["errors"] == []
    found = {each["id"]: [link["recordId"] for link in each["crmLinks"]] for each in undone["persons"]}
    assert found == {persons[0]: [lead, contact], persons[1]: [other]}
    assert ("crmLinks" in undone["keptFields"]) == (survivor == 0)
