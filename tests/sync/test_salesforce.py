"""What the adapter does with a Salesforce: gets in, describes, reads, finds, writes; at a fake over real HTTP."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.core import clock
from app.sync.crm import Away, CrmChange, CrmOutcome, Denied, FieldGone, Limited
from app.sync.salesforce import Salesforce
from app.sync.salesforce_line import LIMIT_SECONDS
from tests.fakes.salesforce import FakeSalesforce
from tests.fakes.salesforce_store import whole_id
from tests.sync.salesforce_doors import FIELDS, Canned, asked, crm, fake, opened, wrote

__all__ = ["crm", "fake"]
ABSENT = whole_id("0035g0000000zzz")
HOSTILE = (
    "o'neil@example.com",
    'a"quote@example.com',
    "back\\slash@example.com",
    "x') OR Email != ('",
    "\\' OR Name LIKE '%",
    "100%_sure@example.com",
    "new\nline",
    "tab\tand\rreturn",
    "ümläut+tag&a=b#c?d@example.com",
    "{braces}@example.com",
    "\\",
    "'",
)


# Getting in


async def test_a_check_tells_the_version_and_as_whom_it_takes_us(crm: Salesforce) -> None:
    """By something that nobody is told without a token."""
    info = await crm.check()
    assert (info.version, info.user) == ("v62.0", "sync@fake.example")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"client_secret": "wrong"}, "invalid client credentials"),
        ({"client_id": "nobody"}, "client identifier invalid"),
    ],
)
async def test_who_is_not_let_in_reads_why(fake: FakeSalesforce, other: dict[str, str], words: str) -> None:
    """In Salesforce's own words; the secret is in none of them."""
    async with opened(fake, **other) as crm:
        with pytest.raises(Denied, match=words) as refusal:
            await crm.check()
    assert "wrong" not in refusal.value.message


async def test_an_older_salesforce_is_denied(fake: FakeSalesforce, crm: Salesforce) -> None:
    """A newer one is not, though it tells no more of our version than that it is newer."""
    fake.versions = ["59.0", "61.0"]
    with pytest.raises(Denied, match=r"v62\.0"):
        await crm.check()
    fake.versions = ["70.0"]
    assert (await crm.check()).version == "v62.0"


async def test_a_user_whose_name_is_not_told_is_taken_all_the_same() -> None:
    """The application may lack the scope for it."""
    versions = [{"version": "62.0"}]
    answers: dict[str, list[tuple[int, Any]]] = {
        "/services/data/": [(200, versions)],
        "/sobjects/Contact/describe": [(200, {"fields": []})],
        "/services/oauth2/userinfo": [(403, None)],
    }
    async with opened(Canned(answers)) as crm:
        assert (await crm.check()).user == ""


@pytest.mark.parametrize(
    "instance", ["http://169.254.169.254", "https://10.0.0.1", "https://user@example.com", "ftp://x", "nothing"]
)
async def test_where_we_are_sent_is_guarded(fake: FakeSalesforce, crm: Salesforce, instance: str) -> None:
    """The address for calls comes from the CRM, and so is nobody's word for what may be called."""
    fake.instance_url = instance
    with pytest.raises(Denied, match="address that can't be called"):
        await crm.check()


@pytest.mark.parametrize("token", [{}, {"access_token": "t"}, {"access_token": 1, "instance_url": "{base}"}])
async def test_a_token_that_is_none_is_no_way_in(token: dict[str, Any]) -> None:
    """Whatever stands at the address, it is no Salesforce that works."""
    async with opened(Canned({}, token)) as crm:
        with pytest.raises(Away, match="no token"):
            await crm.check()


async def test_a_lost_session_gets_one_new_token(fake: FakeSalesforce, crm: Salesforce) -> None:
    """No expiry is told: it shows by a refusal."""
    await crm.check()
    fake.expire_tokens()
    await crm.check()
    assert len(asked(fake, "/token")) == 2


async def test_what_is_forbidden_is_said() -> None:
    """In Salesforce's words."""
    error = [{"message": "The REST API is not enabled for this Organization.", "errorCode": "API_DISABLED_FOR_ORG"}]
    async with opened(Canned({"/services/data/": [(403, error)]})) as crm:
        with pytest.raises(Denied, match="not enabled"):
            await crm.check()


async def test_at_the_limit_it_is_left_alone_for_an_hour(fake: FakeSalesforce, crm: Salesforce) -> None:
    """That of a day's calls."""
    fake.total = 1
    with pytest.raises(Limited) as limit:
        await crm.check()
    assert limit.value.seconds == LIMIT_SECONDS


# Describing


async def test_fields_are_described_in_our_words(crm: Salesforce) -> None:
    """With the kind, and the length where there is one."""
    fields = {one.name: one for one in [*await crm.describe("Lead"), *await crm.describe("Contact")]}
    kinds = {
        "Id": "OTHER",
        "LastName": "TEXT",
        "Street": "TEXT",
        "Email": "EMAIL",
        "Phone": "PHONE",
        "Website": "URL",
        "Industry": "PICKLIST",
        "NumberOfEmployees": "INTEGER",
        "AnnualRevenue": "DECIMAL",
        "Score__c": "DECIMAL",
        "HasOptedOutOfEmail": "BOOLEAN",
        "Birthdate": "DATE",
        "Visited__c": "DATE_TIME",
        "AccountId": "OTHER",
        "Address": "OTHER",
        "Topics__c": "OTHER",
    }
    assert {name: fields[name].kind for name in kinds} == kinds
    assert (fields["LastName"].length, fields["Score__c"].length, fields["Description"].length) == (80, None, 32000)
    assert fields["Industry"].options["Other"] == "Other (none of these)"
    assert {name for name, one in fields.items() if one.required} == {"LastName", "Company"}
    assert not fields["SystemModstamp"].writable
    assert (fields["IsConverted"].createable, fields["IsConverted"].updateable) == (True, False)


@pytest.mark.parametrize("entity", ["Nothing", "No/../such", "Lead?x=1", "", "Lead WHERE", "Kontaktö"])
async def test_an_object_that_is_not_there_is_gone(crm: Salesforce, entity: str) -> None:
    """Also one whose name can't be one, and so never gets into a URL or a query."""
    with pytest.raises(FieldGone) as gone:
        await crm.describe(entity)
    assert gone.value.entity == entity
    with pytest.raises(FieldGone):
        await crm.find(entity, FIELDS, "Email", ["a@example.com"])


# Reading and finding


async def test_records_are_read_by_their_ids(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Those that are there: neither deleted ones nor what can't be an id."""
    account = fake.add("Account", Name="Acme")
    here, gone = fake.add("Contact", LastName="A", Score__c=4.5, AccountId=account), fake.add("Contact", LastName="B")
    fake.delete("Contact", gone)
    (one,) = await crm.read("Contact", ("LastName", "Email", "Score__c"), [here, gone, ABSENT, "' OR Id != '", ""])
    assert (one.id, one.fields, one.account) == (here, {"LastName": "A", "Score__c": 4.5}, account)
    assert clock.text(one.stamp).replace("Z", "+0000") == fake.record("Contact", here)["SystemModstamp"]


async def test_many_ids_are_read_by_several_queries(fake: FakeSalesforce, crm: Salesforce) -> None:
    """A condition has its bound."""
    ids = fake.same_stamp_flood(500)
    assert {one.id for one in await crm.read("Contact", FIELDS, ids)} == set(ids)
    assert len(asked(fake, "/query")) == 4


async def test_a_find_goes_on_to_its_last_page(fake: FakeSalesforce, crm: Salesforce) -> None:
    """One value may be that of many."""
    fake.page_size = 3
    ids = {fake.add("Contact", LastName="Same", Email=f"{one}@example.com") for one in range(10)}
    assert {one.id for one in await crm.find("Contact", FIELDS, "LastName", ["same", "SAME"])} == ids
    assert await crm.find("Contact", FIELDS, "LastName", []) == []


@pytest.mark.parametrize("value", HOSTILE)
async def test_a_find_takes_any_text_as_nothing_but_text(fake: FakeSalesforce, crm: Salesforce, value: str) -> None:
    """It finds the one that has it, and no other."""
    fake.add("Contact", LastName="Other", Email="other@example.com")
    wanted = fake.add("Contact", LastName="Wanted", Email=value)
    assert [one.id for one in await crm.find("Contact", FIELDS, "Email", [value])] == [wanted]
    found = await crm.find("Contact", FIELDS, "Email", HOSTILE)
    assert [(one.id, one.fields["Email"]) for one in found] == [(wanted, value)]


@pytest.mark.parametrize("field", ["Nope__c", "Email) OR (Id != ''", "Account.Name", "", "Émail"])
async def test_a_field_that_is_not_there_is_gone(fake: FakeSalesforce, crm: Salesforce, field: str) -> None:
    """With its name, and without the query around it."""
    fake.add("Contact", LastName="A")
    for call in (crm.find("Contact", FIELDS, field, ["x"]), crm.read("Contact", [field], [ABSENT])):
        with pytest.raises(FieldGone) as gone:
            await call
        assert field in gone.value.message
        assert "SELECT" not in gone.value.message
        assert gone.value.entity == "Contact"


async def test_what_we_add_is_left_out_where_we_may_not_see_it(fake: FakeSalesforce, crm: Salesforce) -> None:
    """The company is not asked for any more, and the time of a change is the other one."""
    fake.hidden["Contact"] = {"AccountId", "SystemModstamp"}
    id_ = fake.add("Contact", LastName="A", AccountId=fake.add("Account", Name="Acme"))
    for _ in range(2):
        (one,) = await crm.read("Contact", FIELDS, [id_])
        assert (one.id, one.account) == (id_, None)
    assert len(asked(fake, "/query")) == 4
    fake.hidden["Contact"].add("LastModifiedDate")
    with pytest.raises(FieldGone, match="LastModifiedDate"):
        await crm.read("Contact", FIELDS, [id_])


async def test_contacts_have_the_leads_that_became_them(fake: FakeSalesforce, crm: Salesforce) -> None:
    """None where that is hidden from us."""
    lead = fake.add("Lead", LastName="A", Company="Acme")
    ids = [fake.convert(lead), fake.add("Contact", LastName="B")]
    contacts = await crm.read("Contact", FIELDS, ids)
    found = await crm.leads(contacts)
    assert {contact: [one.id for one in leads] for contact, leads in found.items()} == {ids[0]: [lead]}
    assert all(one.made for one in found[ids[0]])
    fake.hidden["Lead"] = {"ConvertedContactId"}
    assert await crm.leads(contacts) == {}


@pytest.mark.parametrize(
    "body",
    [{}, [], {"done": True}, {"done": True, "records": [{}]}, {"records": [{"Id": "1", "SystemModstamp": "soon"}]}],
)
async def test_an_answer_of_another_shape_is_none(body: Any) -> None:
    """Nothing of it gets further."""
    async with opened(Canned({"/query": [(200, body)]})) as crm:
        with pytest.raises(Away, match="can't be read"):
            await crm.read("Contact", FIELDS, [ABSENT])


@pytest.mark.parametrize("link", ["https://evil.example/x", "@evil.example/x", ".evil.example/x", "http://[", "//x"])
async def test_the_next_page_is_on_the_same_host(link: str) -> None:
    """Or it is not asked for: the token would go along."""
    page = {"done": False, "totalSize": 2, "records": [], "nextRecordsUrl": link}
    async with opened(Canned({"/query": [(200, page)], "//x": [(404, None)]})) as crm:
        with pytest.raises((Away, Denied, FieldGone)):
            await crm.read("Contact", FIELDS, [ABSENT])


# Writing


async def test_outcomes_are_aligned_with_changes(fake: FakeSalesforce, crm: Salesforce) -> None:
    """New records and those that are there, by turns; what is refused says why, in Salesforce's words."""
    here, gone = fake.add("Contact", LastName="A"), fake.add("Contact", LastName="B")
    fake.delete("Contact", gone)
    outcomes = await crm.write(
        "Contact",
        [
            CrmChange(None, {"LastName": "New"}),
            CrmChange(here, {"LastName": "Anna", "Email": None}),
            CrmChange(None, {"FirstName": "Lacking"}),
            CrmChange(gone, {"LastName": "B"}),
            CrmChange(here[:-1] + "x", {"LastName": "C"}),
            CrmChange("no id", {"LastName": "C"}),
            CrmChange(None, {"LastName": "Newer"}),
        ],
    )
    expected = ["WRITTEN", "WRITTEN", "REFUSED", "GONE", "GONE", "GONE", "WRITTEN"]
    assert [one.status for one in outcomes] == expected
    assert fake.record("Contact", str(outcomes[0].id))["LastName"] == "New"
    assert fake.record("Contact", str(outcomes[6].id))["LastName"] == "Newer"
    assert outcomes[1] == CrmOutcome("WRITTEN", here)
    assert outcomes[2] == CrmOutcome("REFUSED", None, "Required fields are missing: [LastName]")
    assert wrote(fake) == [("PATCH", 3), ("POST", 3)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"Email": "nonsense"}, "Email: invalid email address: nonsense"),
        ({"LastName": "x" * 81}, "data value too large"),
        ({"LastName": None}, "Required fields are missing"),
        ({"IsDeleted": True}, "Unable to create/update fields: IsDeleted"),
        ({"AccountId": whole_id("0015g0000000zzz")}, "invalid cross reference id"),
    ],
)
async def test_what_is_refused_says_why(
    fake: FakeSalesforce, crm: Salesforce, fields: dict[str, Any], words: str
) -> None:
    """And does no harm to others; what a record points to may be gone while it is there itself."""
    one, other = fake.add("Contact", LastName="A"), fake.add("Contact", LastName="B")
    refused, written = await crm.write("Contact", [CrmChange(one, fields), CrmChange(other, {"LastName": "C"})])
    assert (refused.status, refused.id, written.status) == ("REFUSED", one, "WRITTEN")
    assert words in refused.message
    assert fake.record("Contact", other)["LastName"] == "C"


async def test_a_lead_that_was_converted_takes_no_change(fake: FakeSalesforce, crm: Salesforce) -> None:
    """As the real one says it."""
    lead = fake.add("Lead", LastName="A", Company="Acme")
    fake.convert(lead)
    (outcome,) = await crm.write("Lead", [CrmChange(lead, {"LastName": "B"})])
    assert (outcome.status, outcome.message) == ("REFUSED", "cannot reference converted lead")


async def test_a_field_that_vanished_stops_the_whole_write(fake: FakeSalesforce, crm: Salesforce) -> None:
    """So it is not an issue of each record."""
    id_ = fake.add("Contact", LastName="A")
    with pytest.raises(FieldGone, match="Nope__c"):
        await crm.write("Contact", [CrmChange(id_, {"Nope__c": "x"})])
    with pytest.raises(FieldGone):
        await crm.write("Contact", [CrmChange(None, {"LastName": "A", "attributes' ": "x"})])
    assert fake.record("Contact", id_)["LastName"] == "A"


async def test_two_hundred_go_by_one_call(fake: FakeSalesforce, crm: Salesforce) -> None:
    """The outcomes still are those of their changes."""
    ids = fake.same_stamp_flood(401)
    outcomes = await crm.write("Contact", [CrmChange(one, {"FirstName": one}) for one in reversed(ids)])
    assert [one.id for one in outcomes] == ids[::-1]
    assert all(one["FirstName"] == one["Id"] for one in fake.records("Contact"))
    assert wrote(fake) == [("PATCH", 200), ("PATCH", 200), ("PATCH", 1)]
    assert await crm.write("Contact", []) == []


@pytest.mark.parametrize("answer", [{}, [], [{"id": "1"}], [{"success": True}, {"success": True}]])
async def test_an_answer_that_is_not_aligned_says_nothing(answer: Sequence[Any]) -> None:
    """New records may have been made all the same; changes can be made again."""
    async with opened(Canned({"/composite/sobjects": [(200, answer)]})) as crm:
        with pytest.raises(Away) as unread:
            await crm.write("Contact", [CrmChange(None, {"LastName": "A"})])
        assert unread.value.maybe
        with pytest.raises(Away) as again:
            await crm.write("Contact", [CrmChange(ABSENT, {"LastName": "A"})])
        assert not again.value.maybe


async def test_behind_new_records_any_failure_may_have_made_some() -> None:
    """Of the first call nobody is told: its ids are lost with the second."""
    made = [{"id": ABSENT, "success": True, "errors": []}] * 200
    busy = [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    async with opened(Canned({"/composite/sobjects": [(200, made), (403, busy)]})) as crm:
        with pytest.raises(Away) as lost:
            await crm.write("Contact", [CrmChange(None, {"LastName": "A"}) for _ in range(201)])
        assert lost.value.maybe
        with pytest.raises(Limited):
            await crm.write("Contact", [CrmChange(None, {"LastName": "A"})])


async def test_a_record_is_written_by_its_external_id(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Made where none has it, written where one has, whatever case; where several have it, none is."""
    assert {one.name for one in await crm.describe("Contact") if one.external} == {"Number__c"}

    def change(number: str, last: str) -> CrmChange:
        return CrmChange(None, {"Number__c": number, "LastName": last}, by="Number__c")

    fake.add("Contact", LastName="One", Number__c="twice")
    fake.add("Contact", LastName="Two", Number__c="twice")
    here = fake.add("Contact", LastName="Here", Number__c="K-1")
    told = await crm.write("Contact", [change("k-1", "Now"), change("K-2", "New"), change("twice", "Nobody")])
    assert [one.status for one in told] == ["WRITTEN", "WRITTEN", "REFUSED"]
    assert (told[0].id, told[2].message.startswith("more than one record found")) == (here, True)
    again = await crm.write("Contact", [change("K-2", "Newer"), CrmChange(None, {"LastName": "Plain"})])
    assert again[0].id == told[1].id
    assert sorted(one["LastName"] for one in fake.records("Contact")) == ["Newer", "Now", "One", "Plain", "Two"]


async def test_an_answer_that_is_lost_makes_no_second_record_by_an_external_id(
    fake: FakeSalesforce, crm: Salesforce
) -> None:
    """The call is made again."""
    fake.faults.plan("drop_after_commit")
    (told,) = await crm.write(
        "Lead", [CrmChange(None, {"Number__c": "L-1", "LastName": "A", "Company": "B"}, by="Number__c")]
    )
    (record,) = fake.records("Lead")
    assert (told.status, told.id) == ("WRITTEN", record["Id"])
