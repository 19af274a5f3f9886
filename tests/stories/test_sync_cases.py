"""What a record of a CRM makes of a profile, case by case, and what a profile makes of a record."""

import pytest

from tests.api import ATTRIBUTE, UPDATE, Api
from tests.stories.syncing import ALL, CONNECT, DELETE, DISCONNECT, PAUSE, RESOLVE, START, Side, sided

BOTH = {"first": "firstName", "last": "lastName", "email": "email", "phone": "phone", "city": "city"}
MERGE = "mutation($input: MergePersonsInput!) { mergePersons(input: $input) { person { id } errors { code } } }"
DROP = "mutation($name: String!) { deleteAttribute(name: $name) { errors { code path } } }"


async def test_a_contact_of_a_known_lead_promotes_it(side: Side) -> None:
    """W a new contact has the email of a lead T the lead is a customer in place, with the record."""
    lead = await side.api.made(type="LEAD", emails=[{"address": "ada@sales.example"}])
    record = side.add("contact", first="Ada", last="Lovelace", email="ADA@sales.example")
    await side.begun("contact", fields=BOTH)
    person = await side.of("contact", record)
    assert (person["id"], person["type"], person["firstName"]) == (lead["id"], "CUSTOMER", "Ada")


async def test_a_lead_of_a_known_customer_only_fills(side: Side) -> None:
    """W a new lead has the email of a customer T empty fields are filled, the others stay, and it is listed."""
    made = await side.api.made(firstName="Augusta", emails=[{"address": "ada@sales.example"}])
    record = side.add("lead", first="Ada", last="Lovelace", email="ada@sales.example")
    one = await side.begun("lead", fields={"first": "firstName", "last": "lastName", "email": "email"})
    person = await side.of("lead", record)
    assert (person["id"], person["type"]) == (made["id"], "CUSTOMER")
    assert (person["firstName"], person["lastName"]) == ("Augusta", "Lovelace")
    assert [issue["recordId"] for issue in one["issues"]["nodes"]] == [record]
    again = await side.ran()
    assert (again["counts"]["pushed"], again["counts"]["updated"], side.record("lead", record)["first"]) == (
        0,
        0,
        "Ada",
    )


async def test_a_record_of_two_persons_waits_until_they_are_one(side: Side) -> None:
    """W a record has the email of one and the phone of another T it is listed, nothing is written; merged, it goes."""
    first = await side.api.made(emails=[{"address": "ada@sales.example"}])
    second = await side.api.made(phones=[{"number": "436641234567"}])
    record = side.add("contact", last="Lovelace", email="ada@sales.example", phone="+43 664 1234567")
    one = await side.begun("contact", fields=BOTH)
    (issue,) = [each for each in one["issues"]["nodes"] if each["recordId"]]
    assert (issue["state"], one["counts"]["failed"] >= 1) == ("RETRYING", True)
    assert first["id"] in issue["message"]
    assert second["id"] in issue["message"]
    assert await side.of("contact", record) is None
    merged = await side.api(MERGE, input={"persons": [{"id": first["id"]}, {"id": second["id"]}]})
    assert merged["errors"] == []
    payload = await side.api(RESOLVE, id=issue["id"], keep=None)
    assert payload["errors"] == []
    one = await side.rested()
    assert [each for each in one["issues"]["nodes"] if each["recordId"]] == []
    assert (await side.of("contact", record))["id"] == merged["person"]["id"]


async def test_a_person_has_one_record_of_an_object(side: Side) -> None:
    """W a second contact has the email of a linked person T it is listed: already linked."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=BOTH)
    side.add("contact", last="Byron", email="ada@sales.example")
    one = await side.ran()
    (issue,) = one["issues"]["nodes"]
    assert record in issue["message"]
    assert (await side.of("contact", record))["lastName"] == "Lovelace"


async def test_a_value_that_cannot_be_is_listed_and_the_rest_applied(side: Side) -> None:
    """W a name has a character that names can't have T it is listed with the CRM's value, and all else is there."""
    record = side.add("contact", first="A<b>da", last="Lovelace", email="ada@sales.example")
    one = await side.begun("contact", fields=BOTH)
    (issue,) = one["issues"]["nodes"]
    assert (issue["field"], issue["state"], issue["recordId"]) == ("firstName", "OPEN", record)
    assert (issue["crmValue"], issue["profileValue"]) == ("A<b>da", None)
    person = await side.of("contact", record)
    assert (person["firstName"], person["lastName"]) == (None, "Lovelace")
    side.edit("contact", record, first="Ada")
    one = await side.ran()
    assert one["issues"]["nodes"] == []
    assert (await side.of("contact", record))["firstName"] == "Ada"


async def test_an_emptied_field_clears_but_the_last_identifier(side: Side) -> None:
    """W the CRM empties a city and the only email T the city is gone, the email stays, and is listed."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example", city="Graz")
    await side.begun("contact", fields=BOTH)
    side.edit("contact", record, email=None, city=None)
    one = await side.ran()
    person = await side.of("contact", record)
    assert (person["city"], [each["address"] for each in person["emails"]]) == (None, ["ada@sales.example"])
    assert [issue["field"] for issue in one["issues"]["nodes"]] == ["email"]
    again = await side.ran()
    assert (again["counts"]["pushed"], side.record("contact", record)["email"]) == (0, None)


async def test_a_changed_email_takes_the_place_of_the_old_one(side: Side) -> None:
    """W the CRM gives another email T the person has that one, primary, and the one it replaced no more."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=BOTH)
    side.edit("contact", record, email="augusta@sales.example")
    await side.ran()
    person = await side.of("contact", record)
    assert person["emails"] == [{"address": "augusta@sales.example", "primary": True}]


async def test_a_deleted_record_leaves_the_profile(side: Side) -> None:
    """W a record is deleted in the CRM T the profile stays without it, it is listed, and none is made anew."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=BOTH)
    side.delete("contact", record)
    one = await side.ran()
    person = await side.person(email="ada@sales.example")
    assert person["crmLinks"] == []
    assert [issue["recordId"] for issue in one["issues"]["nodes"]] == [record]
    await side.api(UPDATE, by={"id": person["id"]}, input={"city": "Graz"})
    await side.ran()
    assert side.records("contact") == []


async def test_who_was_deleted_here_is_not_made_again(side: Side) -> None:
    """W a person is deleted here T the record stays in the CRM, and is nobody's here, also when it changes."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=BOTH)
    payload = await side.api(DELETE, by={"email": "ada@sales.example"})
    assert payload["errors"] == []
    side.edit("contact", record, city="Graz")
    await side.ran()
    await side.ran(full=True)
    assert await side.of("contact", record) is None
    assert await side.person(email="ada@sales.example") is None
    assert side.record("contact", record)["last"] == "Lovelace"


async def test_persons_merged_here_keep_both_records(side: Side) -> None:
    """W linked persons are merged here T the survivor has both records; the CRM is not merged, changes go to one."""
    records = [side.add("contact", last=f"n{i}", email=f"n{i}@sales.example") for i in range(2)]
    await side.begun("contact", fields=BOTH)
    persons = [(await side.of("contact", record))["id"] for record in records]
    merged = await side.api(MERGE, input={"persons": [{"id": one} for one in persons]})
    assert merged["errors"] == []
    await side.ran()
    for record in records:
        assert (await side.of("contact", record))["id"] == merged["person"]["id"]
    assert len(side.records("contact")) == 2
    side.edit("contact", records[0], city="Graz")
    await side.ran()
    assert (await side.of("contact", records[1]))["city"] == "Graz"


async def test_records_merged_there_move_the_link(side: Side) -> None:
    """W a linked contact is merged into an unlinked one in the CRM T the person goes on with the master."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=BOTH)
    before = await side.of("contact", record)
    master = side.add("contact", last="Lovelace", email="ada@sales.example", city="Graz")
    side.fake.merge(side.name("contact"), master, record)
    side.fake.advance(60)
    await side.ran()
    await side.ran()
    after = await side.of("contact", master)
    assert (after["id"], after["city"], [link["recordId"] for link in after["crmLinks"]]) == (
        before["id"],
        "Graz",
        [master],
    )


async def test_companies_come_with_their_people(side: Side) -> None:
    """W accounts are mapped and a contact belongs to one T a company, and the person is a member of it."""
    website = "Website" if side.system == "SALESFORCE" else "websiteurl"
    name = "Name" if side.system == "SALESFORCE" else "name"
    account = side.fake.add(side.name("account"), **{name: "Acme", website: "https://www.acme.example/about"})
    parent = {"AccountId": account} if side.system == "SALESFORCE" else {"parentcustomerid": ("account", account)}
    record = side.fake.add(
        side.name("contact"), **{side.name("last"): "Lovelace", side.name("email"): "ada@acme.example"}, **parent
    )
    await side.begun("account", "contact")
    person = await side.of("contact", record)
    assert [company["name"] for company in person["companies"]["nodes"]] == ["Acme"]
    company = await side.api('{ company(by: {domain: "acme.example"}) { id name domains } }')
    assert (company["name"], company["domains"]) == ("Acme", ["acme.example"])
    side.fake.edit(side.name("account"), account, **{name: "Acme Ltd"})
    await side.ran()
    assert (await side.api('{ company(by: {domain: "acme.example"}) { name } }'))["name"] == "Acme Ltd"
    one = await side.ran(full=True)
    assert (one["counts"]["updated"], one["counts"]["unchanged"]) == (0, 2)


async def test_what_is_too_long_there_is_listed_and_not_cut(side: Side) -> None:
    """W our city is longer than the CRM's field T it is listed, everything else is written."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", fields=BOTH)
    person = await side.of("contact", record)
    await side.api(UPDATE, by={"id": person["id"]}, input={"firstName": "x" * 60, "city": "Graz"})
    one = await side.ran()
    assert [issue["field"] for issue in one["issues"]["nodes"]] == ["firstName"]
    assert (side.record("contact", record)["first"], side.record("contact", record)["city"]) == (None, "Graz")
    again = await side.ran()
    assert again["counts"]["pushed"] == 0


async def test_a_connection_rests_and_goes_on(side: Side) -> None:
    """W it is paused, given up and connected again T it does nothing meanwhile, and then goes on from its mark."""
    side.add("contact", last="one", email="one@sales.example")
    await side.begun("contact", fields=BOTH)
    assert (await side.api(PAUSE, id=side.id))["connection"]["state"] == "PAUSED"
    side.add("contact", last="two", email="two@sales.example")
    assert (await side.rested())["state"] == "PAUSED"
    assert await side.person(email="two@sales.example") is None
    assert (await side.api(DISCONNECT, id=side.id))["connection"]["state"] == "DISCONNECTED"
    assert await side.api.codes(START, id=side.id, full=False) == ["WRONG_STATE"]
    before = side.id
    one = await side.connected()
    assert (one["id"], one["state"], len(one["mappings"])) == (before, "IDLE", 1)
    one = await side.ran()
    assert one["counts"]["created"] == 1
    assert await side.person(email="two@sales.example") is not None


async def test_a_value_that_is_turned_back_each_time_is_left_alone(side: Side) -> None:
    """W somebody in the CRM changes a field back each time we write it T it stops after three times, and is listed."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example", city="Theirs")
    await side.begun("contact", fields=BOTH)
    person = await side.of("contact", record)
    for _ in range(5):
        await side.api(UPDATE, by={"id": person["id"]}, input={"city": "Ours"})
        one = await side.ran()
        side.fake.advance(5)
        side.edit("contact", record, city="Theirs")
        await side.ran()
    (issue,) = [each for each in (await side.seen())["issues"]["nodes"] if "left alone" in each["message"]]
    assert issue["recordId"] == record
    assert one["state"] == "IDLE"


async def test_what_was_looked_at_again_is_not_looked_at_for_ever(side: Side) -> None:
    """W a deleted record, and a record that a lead can't get, are tried again T the connection rests afterwards."""
    record = side.add("contact", last="Lovelace", email="ada@sales.example")
    await side.begun("contact", "lead", fields=BOTH)
    side.delete("contact", record)
    lead = await side.api.made(type="LEAD", emails=[{"address": "bob@sales.example"}])
    one = await side.ran()
    issues = one["issues"]["nodes"]
    assert sorted(bool(issue["recordId"]) for issue in issues) == [False, True]
    for issue in issues:
        assert (await side.api(RESOLVE, id=issue["id"], keep=None))["errors"] == []
    await side.rested()
    payload = await side.api(UPDATE, by={"id": lead["id"]}, input={"type": "CUSTOMER", "lastName": "Beta"})
    assert payload["errors"] == []
    one = await side.ran()
    # What the lead lacked is of no interest any more: the customer has a contact.
    assert [issue["object"] for issue in one["issues"]["nodes"]] == []
    assert [each["last"] for each in side.records("contact")] == ["Beta"]
    links = await side.api.service.store.engine.find("syncLinks", {"connection": side.id})
    assert [(link["state"], link.get("push"), link.get("again")) for link in links] == [
        ("deleted", None, None),
        ("linked", None, None),
    ]


async def test_an_attribute_that_is_mapped_stays(side: Side) -> None:
    """W an attribute is deleted that a connection maps T IN_USE, until the CRM is given up."""
    await side.api(ATTRIBUTE, input={"name": "Job", "type": "STRING"})
    record = side.add("contact", last="Lovelace", email="ada@sales.example", title="Countess")
    await side.begun("contact", fields={"email": "email", "title": "customAttributes.Job"})
    assert (await side.of("contact", record))["customAttributes"] == {"Job": "Countess"}
    assert await side.api.codes(DROP, name="job") == ["IN_USE"]
    await side.api(DISCONNECT, id=side.id)
    assert await side.api.codes(DROP, name="job") == []


async def test_what_is_wrong_with_a_connection_is_said_where_it_stands(side: Side) -> None:
    """W a CRM is connected by a wrong secret, address, or name T refused at that field, and nothing is kept."""
    given = side.credentials()
    wrong: list[tuple[dict[str, str], str, list[str]]] = [
        ({"clientSecret": "wrong"}, "CRM_UNREACHABLE", ["clientSecret"]),
        ({"clientSecret": " "}, "REQUIRED", ["clientSecret"]),
        ({"name": "x" * 256}, "TOO_LONG", ["name"]),
        ({"name": " "}, "REQUIRED", ["name"]),
        ({"baseUrl": "http://crm.example"}, "INVALID", ["baseUrl"]),
        ({"baseUrl": "https://169.254.169.254"}, "INVALID", ["baseUrl"]),
        ({"baseUrl": "https://user:secret@crm.example"}, "INVALID", ["baseUrl"]),
    ]
    for more, code, path in wrong:
        payload = await side.api(CONNECT, input={**given, **more})
        assert payload["connection"] is None
        assert [(one["code"], one["path"]) for one in payload["errors"]] == [(code, path)], more
        assert given["clientSecret"] not in str(payload)
    assert await side.api(ALL) == []
    first, second = await side.connected(), await side.api(CONNECT, input={**given, "baseUrl": f"{side.url.upper()}/"})
    assert (second["connection"]["id"], second["errors"]) == (first["id"], [])


async def test_a_secret_is_nowhere_to_be_seen(side: Side, capfd: pytest.CaptureFixture[str]) -> None:
    """W a CRM is connected, and fails T its secret is in no answer, no log, and no document as it is."""
    secret = side.credentials()["clientSecret"]
    side.add("contact", last="Lovelace", email="ada@sales.example")
    one = await side.begun("contact", fields=BOTH)
    side.fake.faults["server_error"] = 1.0
    failing = await side.ran()
    kept = await side.api.service.store.engine.find("syncs", {})
    logged = capfd.readouterr()
    for text in (one, failing, kept, logged.out, logged.err):
        assert secret not in str(text)
    assert "sync_failing" in logged.out + logged.err


NUMBERED = {"last": "lastName", "email": "email", "Number__c": "externalId"}


async def test_a_record_has_one_external_id_and_one_profile(api: Api) -> None:
    """W Salesforce has a field for our id T a record is made by it, once, and that of somebody else is not written."""
    async with sided(api, "SALESFORCE") as side:
        taken = side.add("contact", last="Byron", email="ada@sales.example")
        await side.begun("contact", fields=NUMBERED)
        side.edit("contact", taken, Number__c="K-9")
        other = await api.made(type="CUSTOMER", lastName="Other", externalId="K-9")
        new = await api.made(type="CUSTOMER", lastName="New", externalId="K-8")
        # Made, and nobody was told of it.
        side.fake.faults.plan("drop_after_commit")
        await side.ran()
        one = await side.ran()
        records = {each["Number__c"]: each for each in side.fake.records("Contact")}
        assert {number: each["LastName"] for number, each in records.items()} == {"K-8": "New", "K-9": "Byron"}
        assert (await side.of("contact", records["K-8"]["Id"]))["id"] == new["id"]
        assert (await side.of("contact", taken))["lastName"] == "Byron"
        (issue,) = [each for each in one["issues"]["nodes"] if each["person"] == {"id": other["id"]}]
        assert issue["message"] == f"The record {taken} of another profile has this external id."
