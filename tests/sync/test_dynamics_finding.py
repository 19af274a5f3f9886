"""What the adapter finds in Dynamics by id and by value, what may be missing there, and where links may lead."""

from datetime import datetime

import pytest

from app.core import clock
from app.sync.crm import Away, CrmDeleted, CrmRecord, Denied, FieldGone
from app.sync.dynamics import Dynamics
from tests.fakes.dynamics import FakeDynamics
from tests.sync.dynamics_doors import FIELDS, Canned, crm, fake, opened, told

__all__ = ["crm", "fake"]

ABSENT = "00000000-0000-0000-0000-000000000001"


# Columns that aren't there


async def test_what_belongs_to_sales_may_be_missing(fake: FakeDynamics, crm: Dynamics) -> None:
    """A contact then came from no lead; the CRM is asked once."""
    key = fake.add("contact", lastname="A")
    fake.drop_column("contact", "originatingleadid")
    first = await told(crm)
    assert (first.ids, [call.status for call in fake.calls]) == ([key], [400, 200])
    assert (await told(crm, first.mark)).untold is False
    assert [one.id for one in await crm.read("contact", FIELDS, [key])] == [key]
    assert [call.status for call in fake.calls] == [400, 200, 200, 200]


async def test_a_column_that_vanished_is_named(fake: FakeDynamics, crm: Dynamics) -> None:
    """Wherever it is asked for: from the start, from a mark, by id and by value."""
    first = await told(crm)
    fake.drop_column("contact", "mobilephone")
    for call in (told(crm), told(crm, first.mark), crm.read("contact", FIELDS, [ABSENT])):
        with pytest.raises(FieldGone, match="'mobilephone'"):
            await call
    with pytest.raises(FieldGone, match="'mobilephone'") as gone:
        await crm.find("contact", ("lastname",), "mobilephone", ["1"])
    assert gone.value.entity == "contact"


@pytest.mark.parametrize("name", ["firstname,contactid&$top=1", "Firstname", "", "a b", "x'", "lastname\n"])
async def test_a_name_that_can_be_no_column_is_asked_of_nobody(fake: FakeDynamics, crm: Dynamics, name: str) -> None:
    """It would stand in a URL."""
    for call in (
        told(crm, fields=(name,)),
        crm.find("contact", (), name, ["1"]),
        crm.read("contact", (name,), [ABSENT]),
    ):
        with pytest.raises(FieldGone):
            await call
    assert fake.calls == []


# By id and by value


async def test_records_are_read_by_their_ids(fake: FakeDynamics, crm: Dynamics) -> None:
    """Fifty at a time; what isn't there, or no id at all, is left out."""
    ids = [fake.add("contact", lastname=f"L{place}") for place in range(120)]
    asked = [*ids, ABSENT, "no id", f"{ids[0]} or 1 eq 1", ids[0].upper()]
    assert {one.id for one in await crm.read("contact", FIELDS, asked)} == set(ids)
    assert len(fake.calls) == 3
    assert await crm.read("contact", FIELDS, ["no id"]) == []


HOSTILE = [
    "O'Brien",
    "''",
    "a' or 'b' eq 'b",
    "x') or (lastname ne '",
    "x&$top=1#y?",
    "%27%20or%201",
    "+1 (555) 0100 / 7",
    'back\\slash"quote<b>',
    "Ж@例え.jp",
    "😀 مرحبا",
    "$select=*",
]


@pytest.mark.parametrize("value", HOSTILE)
async def test_a_value_finds_itself_and_nothing_else(fake: FakeDynamics, crm: Dynamics, value: str) -> None:
    """Whatever it looks like."""
    fake.add("contact", lastname="b")
    key = fake.add("contact", lastname=value)
    assert [one.id for one in await crm.find("contact", FIELDS, "lastname", [value])] == [key]
    assert [call.status for call in fake.calls] == [200]


async def test_many_values_are_found_in_several_calls(fake: FakeDynamics, crm: Dynamics) -> None:
    """As many as a URL can have; the CRM folds their case."""
    ids = {fake.add("contact", emailaddress1=f"{'long' * 15}{place}@example.com") for place in range(120)}
    values = [f"{'LONG' * 15}{place}@example.com" for place in range(120)]
    assert {one.id for one in await crm.find("contact", FIELDS, "emailaddress1", values)} == ids
    assert len(fake.calls) == 4
    assert max(len(call.url) for call in fake.calls) < 6000


async def test_what_no_column_can_hold_is_not_looked_for(fake: FakeDynamics, crm: Dynamics) -> None:
    """The CRM would refuse the whole question for it."""
    key = fake.add("contact", lastname="A")
    values = ["", "\x00", "a\nb", "\ud800", "x" * 5000, "A"]
    assert [one.id for one in await crm.find("contact", FIELDS, "lastname", values)] == [key]
    assert await crm.find("contact", FIELDS, "lastname", values[:-1]) == []
    assert len(fake.calls) == 1


# What the documentation shows

DOCUMENTED = """{
  "@odata.context": "{base}/api/data/v9.2/$metadata#accounts(name,telephone1,fax)/$delta",
  "@odata.deltaLink": "{base}/api/data/v9.2/accounts?$select=name&$deltatoken=919058%2108%2f22%2f2017%2008%3a21%3a20",
  "value": [
    {
      "@odata.etag": "W/\\"915244\\"",
      "name": "Monte Orton",
      "telephone1": null,
      "modifiedon": "2017-08-22T08:10:44Z",
      "accountid": "60c4e274-0d87-e711-80e5-00155db19e6d"
    },
    {
      "@odata.context": "{base}/api/data/v9.2/$metadata#accounts/$deletedEntity",
      "id": "2e451703-c686-e711-80e5-00155db19e6d",
      "reason": "deleted"
    }
  ]
}"""


async def test_the_documented_answer_of_changes_is_understood() -> None:
    """And its link is asked for as it was given, with the same preferences."""
    canned = Canned({"accounts": [(200, {"Date": "Tue, 22 Aug 2017 08:21:20 GMT"}, DOCUMENTED)]})
    async with opened(canned) as crm:
        first = await told(crm, entity="account", fields=("name", "telephone1"))
        second = await told(crm, first.mark, "account", ("telephone1", "name"))
    (record,) = first.records
    assert record == CrmRecord(
        id="60c4e274-0d87-e711-80e5-00155db19e6d",
        stamp=datetime(2017, 8, 22, 8, 10, 44),  # noqa: DTZ001 - naive UTC is the house's time
        fields={"name": "Monte Orton"},
        etag='W/"915244"',
    )
    assert first.deleted == [CrmDeleted("2e451703-c686-e711-80e5-00155db19e6d")]
    assert second.untold is False
    preferred = [headers["prefer"] for _, headers, _ in canned.asked]
    assert preferred[0] == preferred[1]
    assert preferred[0].startswith("odata.track-changes,odata.maxpagesize=1000,")


@pytest.mark.parametrize(
    "row",
    [
        '{"modifiedon": "2017-08-22T08:10:44Z"}',
        '{"contactid": "1"}',
        '{"contactid": "1", "modifiedon": "lately"}',
        '{"contactid": "1", "modifiedon": 5}',
        '{"contactid": {}, "modifiedon": "2017-08-22T08:10:44Z"}',
        "null",
        '"text"',
    ],
)
async def test_records_that_can_not_be_read_are_no_records(row: str) -> None:
    """The CRM is as good as away."""
    async with opened(Canned({"contacts": [(200, {}, f'{{"value": [{row}]}}')]})) as crm:
        with pytest.raises(Away, match="can't be read"):
            await crm.find("contact", FIELDS, "lastname", ["A"])


async def test_a_right_that_is_missing_is_named() -> None:
    """Changes are tracked only for who may read all of a table."""
    words = "SecLib::CheckPrivilege failed. PrivilegeName: prvReadContact, Required Depth: Global"
    refusal: tuple[int, dict[str, str], str] = (403, {}, f'{{"error":{{"code":"0x80040220","message":"{words}"}}}}')
    async with opened(Canned({"contacts": [refusal]})) as crm:
        with pytest.raises(Denied, match="prvReadContact, Required Depth: Global"):
            await told(crm)


async def test_contacts_have_the_leads_that_became_them(fake: FakeDynamics, crm: Dynamics) -> None:
    """As far as these are there."""
    lead = fake.add("lead", lastname="A", subject="Talk")
    ids = [fake.convert(lead), fake.add("contact", lastname="B")]
    contacts = await crm.read("contact", FIELDS, ids)
    found = await crm.leads(contacts)
    assert {contact: [(one.id, bool(one.made)) for one in leads] for contact, leads in found.items()} == {
        ids[0]: [(lead, True)]
    }
    fake.delete("lead", lead)
    assert await crm.leads(contacts) == {}


async def test_leads_may_be_hidden_from_us() -> None:
    """Contacts then were none."""
    async with opened(Canned({"leads": [(403, {}, '{"error":{"message":"prvReadLead"}}')]})) as crm:
        contact = CrmRecord(ABSENT, clock.EPOCH, {}, came_from=ABSENT)
        assert await crm.leads([contact]) == {}


async def test_a_pass_without_a_link_to_the_next_is_not_over() -> None:
    """Without it later changes would be lost."""
    async with opened(Canned({"contacts": [(200, {}, '{"value": []}')]})) as crm:
        with pytest.raises(Away):
            await told(crm)


# Where links lead


@pytest.mark.parametrize("name", ["nextLink", "deltaLink"])
@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/api/data/v9.2/contacts?$skiptoken=1",
        "{base}.elsewhere.example/api/data/v9.2/contacts",
        "{base}/api/data/v9.2/../../_fake/journal",
        "{base}/api/data/v9.2/%2e%2e/%2e%2e/_fake/journal",
        "{base}/_fake/journal",
        "/api/data/v9.2/contacts",
        "http://[",
    ],
)
async def test_links_that_lead_elsewhere_are_in_no_mark(link: str, name: str) -> None:
    """They are not followed now, and not at some later time."""
    canned = Canned({"contacts": [(200, {}, f'{{"value": [], "@odata.{name}": "{link}"}}')]})
    async with opened(canned) as crm:
        with pytest.raises(Away):
            await anext(crm.changed("contact", FIELDS, None))
    assert len(canned.asked) == 1


async def test_a_link_that_leads_to_itself_is_followed_once() -> None:
    """Else a pass would never end."""
    page = '{"value": [], "@odata.nextLink": "{base}/api/data/v9.2/contacts?$skiptoken=1"}'
    canned = Canned({"contacts": [(200, {}, page)]})
    async with opened(canned) as crm:
        for call in (told(crm), crm.find("contact", FIELDS, "lastname", ["A"])):
            with pytest.raises(Away, match="same page"):
                await call
    assert len(canned.asked) == 4
