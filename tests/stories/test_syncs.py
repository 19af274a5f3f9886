"""Z: Salesforce and Dynamics 365 in step with profiles, both ways, over the real protocols."""

from tests.api import UPDATE
from tests.stories.syncing import RESOLVE, SAVE, Side

BOTH = {"first": "firstName", "last": "lastName", "email": "email", "phone": "phone", "city": "city"}


async def test_Z1_contacts_are_customers_and_leads_leads(side: Side) -> None:
    """Z1 W a contact and a lead are there T a CUSTOMER and a LEAD, with the ids of their records."""
    contact = side.add("contact", first="Ada", last="Lovelace", email="Ada@Sales.example", phone="+43 664 123 45 67")
    lead = side.add("lead", first="Bob", last="Beta", email="bob@sales.example")
    one = await side.begun("contact", "lead")
    assert (one["state"], one["lastError"], one["issues"]["nodes"]) == ("IDLE", None, [])
    assert one["counts"] == {"pulled": 2, "pushed": 0, "created": 2, "updated": 0, "unchanged": 0, "failed": 0}
    ada, bob = await side.of("contact", contact), await side.of("lead", lead)
    assert (ada["type"], ada["firstName"], ada["emails"], ada["phones"]) == (
        "CUSTOMER",
        "Ada",
        [{"address": "ada@sales.example", "primary": True}],
        [{"number": "436641234567"}],
    )
    assert (bob["type"], bob["createdFrom"], bob["modifiedFrom"]) == ("LEAD", side.system, side.system)
    (link,) = ada["crmLinks"]
    assert (link["system"], link["object"], link["recordId"]) == (side.system, side.name("contact"), contact)
    assert link["syncedAt"] is not None


async def test_Z2_what_does_not_fit_is_refused_at_save(side: Side) -> None:
    """Z2 W leads are mapped to customers, or text to a date T refused, with the place of it; nothing is saved."""
    await side.connected()
    fields = [
        {"crmField": side.name("email"), "field": "email"},
        {"crmField": side.name("title"), "field": "birthDate"},
    ]
    mappings = [
        {"object": side.name("lead"), "personType": "CUSTOMER", "fields": fields},
        {"object": side.name("contact"), "fields": [{"crmField": side.name("last"), "field": "lastName"}]},
        {"object": side.name("account"), "fields": []},
    ]
    payload = await side.api(SAVE, id=side.id, mappings=mappings)
    assert payload["connection"] is None
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [
        ("MAPPING_INVALID", ["mappings", "0", "personType"]),
        ("MAPPING_INVALID", ["mappings", "0", "fields", "1", "field"]),
        ("MAPPING_INVALID", ["mappings", "1", "fields"]),
        ("MAPPING_INVALID", ["mappings", "2", "target"]),
    ]
    assert (await side.seen())["mappings"] == []


async def test_Z3_either_side_follows_once(side: Side) -> None:
    """Z3 W either side is changed T the other follows, once; nothing goes back and forth."""
    record = side.add("contact", first="Ada", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=BOTH)
    person = await side.of("contact", record)
    payload = await side.api(UPDATE, by={"id": person["id"]}, input={"city": "Vienna"})
    assert payload["errors"] == []
    assert (await side.ran())["counts"]["pushed"] == 1
    assert side.record("contact", record)["city"] == "Vienna"
    version, writes = (await side.of("contact", record))["version"], side.writes()
    for _ in range(3):
        one = await side.ran()
        assert (one["counts"]["pushed"], one["counts"]["updated"]) == (0, 0)
    assert ((await side.of("contact", record))["version"], side.writes()) == (version, writes)
    side.edit("contact", record, city="Graz")
    assert (await side.ran())["counts"]["updated"] == 1
    person = await side.of("contact", record)
    assert (person["city"], person["version"], side.writes()) == ("Graz", version + 1, writes)
    one = await side.ran()
    assert (one["counts"]["pushed"], one["counts"]["updated"], side.writes()) == (0, 0, writes)
    assert "crmSynced" in [event["type"] for event in await side.api.events({"id": person["id"]})]


async def test_Z4_the_later_change_holds_and_the_conflict_is_listed(side: Side) -> None:
    """Z4 W one field is changed on both sides T the later change holds on both, and both values are listed."""
    first, second = (side.add("contact", last=name, email=f"{name}@sales.example") for name in ("one", "two"))
    await side.begun("contact", fields=BOTH)
    for record, later in ((first, "here"), (second, "there")):
        person = await side.of("contact", record)
        if later == "here":
            side.fake.advance(-5)
            side.edit("contact", record, city="Theirs")
            side.fake.advance(5)
        await side.api(UPDATE, by={"id": person["id"]}, input={"city": "Ours", "firstName": "New"})
        if later == "there":
            side.fake.advance(5)
            side.edit("contact", record, city="Theirs")
    one = await side.ran()
    assert [(await side.of("contact", record))["city"] for record in (first, second)] == ["Ours", "Theirs"]
    assert [side.record("contact", record)["city"] for record in (first, second)] == ["Ours", "Theirs"]
    # What only one side changed goes to the other, whoever wins elsewhere.
    assert [side.record("contact", record)["first"] for record in (first, second)] == ["New", "New"]
    issues = {each["recordId"]: each for each in one["issues"]["nodes"]}
    assert {record: (each["field"], each["crmValue"], each["profileValue"]) for record, each in issues.items()} == {
        first: ("city", "Theirs", "Ours"),
        second: ("city", "Theirs", "Ours"),
    }
    assert {each["state"] for each in issues.values()} == {"OPEN"}
    again = await side.ran()
    assert (again["counts"]["pushed"], again["counts"]["updated"]) == (0, 0)


async def test_Z4_a_conflict_can_be_ruled_otherwise(side: Side) -> None:
    """Z4 W somebody keeps the other side's value T it holds on both sides, and the issue is gone."""
    record = side.add("contact", last="one", email="one@sales.example", city="Both")
    await side.begun("contact", fields=BOTH)
    person = await side.of("contact", record)
    await side.api(UPDATE, by={"id": person["id"]}, input={"city": "Ours"})
    side.fake.advance(5)
    side.edit("contact", record, city="Theirs")
    (issue,) = (await side.ran())["issues"]["nodes"]
    assert (await side.of("contact", record))["city"] == "Theirs"
    payload = await side.api(RESOLVE, id=issue["id"], keep="PROFILE")
    assert (payload["issue"]["state"], payload["errors"]) == ("RETRYING", [])
    one = await side.rested()
    assert one["issues"]["nodes"] == []
    assert ((await side.of("contact", record))["city"], side.record("contact", record)["city"]) == ("Ours", "Ours")


async def test_Z5_a_converted_lead_is_a_customer_in_place(side: Side) -> None:
    """Z5 W a lead is converted in the CRM T the same person is a CUSTOMER, with the lead's id and the contact's."""
    lead = side.add("lead", first="Bob", last="Beta", email="bob@sales.example")
    await side.begun("contact", "lead")
    before = await side.of("lead", lead)
    assert before["type"] == "LEAD"
    contact = side.convert(lead)
    # Nothing tells that they are the same but the CRM itself.
    side.edit("contact", contact, email="robert@sales.example")
    one = await side.ran()
    assert one["issues"]["nodes"] == []
    after = await side.of("contact", contact)
    assert (after["id"], after["type"], (await side.of("lead", lead))["id"]) == (before["id"], "CUSTOMER", before["id"])
    assert {link["recordId"] for link in after["crmLinks"]} == {lead, contact}
    assert "robert@sales.example" in [each["address"] for each in after["emails"]]
    types = [event["type"] for event in await side.api.events({"id": after["id"]})]
    assert types.count("personPromoted") == 1
    writes = side.writes()
    await side.api(UPDATE, by={"id": after["id"]}, input={"city": "Vienna"})
    await side.ran()
    # The lead is history: only the contact is written.
    assert side.writes() == writes + 1
    assert side.record("contact", contact)["city"] == "Vienna"


async def test_Z6_a_crm_that_is_away_catches_up(side: Side) -> None:
    """Z6 W the CRM answers nothing but faults for a while T FAILING with its words, then all of it, without loss."""
    records = [side.add("contact", last=f"n{i}", email=f"n{i}@sales.example") for i in range(3)]
    await side.begun("contact", fields=BOTH)
    side.fake.faults["server_error"] = 1.0
    one = await side.ran()
    assert (one["state"], one["lastError"] is not None) == ("FAILING", True)
    side.edit("contact", records[0], city="Graz")
    new = side.add("contact", last="new", email="new@sales.example")
    side.delete("contact", records[2])
    person = await side.of("contact", records[1])
    await side.api(UPDATE, by={"id": person["id"]}, input={"city": "Vienna"})
    side.fake.faults["server_error"] = 0.0
    one = await side.ran()
    assert (one["state"], one["lastError"]) == ("IDLE", None)
    assert (await side.of("contact", records[0]))["city"] == "Graz"
    assert (await side.of("contact", new))["lastName"] == "new"
    assert side.record("contact", records[1])["city"] == "Vienna"
    assert await side.of("contact", records[2]) is None
    assert await side.person(email="n2@sales.example") is not None


async def test_Z7_a_full_run_changes_nothing(side: Side) -> None:
    """Z7 W everything is compared anew T nothing is modified, on either side."""
    records = [side.add("contact", last=f"n{i}", email=f"n{i}@sales.example", city="Graz") for i in range(5)]
    await side.begun("contact", fields=BOTH)
    versions = [(await side.of("contact", record))["version"] for record in records]
    one = await side.ran(full=True)
    assert one["counts"] == {"pulled": 5, "pushed": 0, "created": 0, "updated": 0, "unchanged": 5, "failed": 0}
    assert [(await side.of("contact", record))["version"] for record in records] == versions
    assert side.writes() == 0


async def test_a_profile_gets_its_record_once(side: Side) -> None:
    """W a customer is made here T a contact is made there, once, and linked."""
    await side.begun("contact", fields=BOTH)
    made = await side.api.made(firstName="Ada", lastName="Lovelace", emails=[{"address": "ada@sales.example"}])
    assert (await side.ran())["counts"]["pushed"] == 1
    (record,) = side.records("contact")
    assert (record["first"], record["email"]) == ("Ada", "ada@sales.example")
    person = await side.of("contact", record["id"])
    assert person["id"] == made["id"]
    one = await side.ran()
    assert (one["counts"]["pushed"], one["counts"]["updated"], len(side.records("contact"))) == (0, 0, 1)


async def test_what_the_crm_needs_is_said_once(side: Side) -> None:
    """W a profile lacks what the CRM needs T one issue, and when it has it, the record."""
    await side.begun("contact", fields=BOTH)
    made = await side.api.made(emails=[{"address": "ada@sales.example"}])
    for _ in range(2):
        (issue,) = (await side.ran())["issues"]["nodes"]
        assert (issue["person"]["id"], issue["recordId"], side.name("last") in issue["message"]) == (
            made["id"],
            "",
            True,
        )
    await side.api(UPDATE, by={"id": made["id"]}, input={"lastName": "Lovelace"})
    assert (await side.ran())["issues"]["nodes"] == []
    assert [record["last"] for record in side.records("contact")] == ["Lovelace"]


async def test_an_answer_that_is_lost_makes_no_second_record(side: Side) -> None:
    """W the CRM makes a record and the answer is lost T it is found again, and linked."""
    await side.begun("contact", fields=BOTH)
    made = await side.api.made(lastName="Lovelace", emails=[{"address": "ada@sales.example"}])
    side.fake.faults["drop_after_commit"] = 1.0
    assert (await side.ran())["state"] == "FAILING"
    side.fake.faults["drop_after_commit"] = 0.0
    assert (await side.ran())["state"] == "IDLE"
    (record,) = side.records("contact")
    assert (await side.of("contact", record["id"]))["id"] == made["id"]
    one = await side.ran()
    assert (one["counts"]["pushed"], len(side.records("contact"))) == (0, 1)
