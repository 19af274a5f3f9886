"""Large first loads of a Salesforce, by bulk queries; at a fake over real HTTP."""

import pytest

from app.sync import salesforce_bulk as bulk
from app.sync.crm import Away, FieldGone, Limited
from app.sync.salesforce import Salesforce
from tests.fakes.salesforce import FakeSalesforce
from tests.sync.salesforce_doors import FIELDS, asked, broken_off, crm, fake, told

__all__ = ["crm", "fake"]
WIDE = ("LastName", "Email", "Description", "Score__c", "Visited__c", "Born__c", "HasOptedOutOfEmail")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have bulk queries from ten records on, by parts of four, and no pause between polls."""
    monkeypatch.setattr(bulk, "BULK_RECORDS", 10)
    monkeypatch.setattr(bulk, "PART_RECORDS", 4)
    monkeypatch.setattr(bulk, "POLL_SECONDS", 0.0)


async def test_a_large_first_load_goes_by_bulk(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Its rows are those of the REST API, value by value."""
    hard = 'quotes ", commas, and\nlines\r\nö'
    for one in range(11):
        fake.add("Contact", LastName=hard, Score__c=one / 2, Visited__c="2026-01-02T03:04:05.678+0000", Email=None)
        fake.edit("Contact", fake.add("Contact", LastName="x"), Born__c="2000-02-29", HasOptedOutOfEmail=one % 2 == 0)
    fake.add("Contact", LastName="y", AccountId=fake.add("Account", Name="Acme"))
    loaded = await told(crm, fields=WIDE)
    assert len(asked(fake, "/results")) == 6
    assert loaded.untold
    plain = await crm.read("Contact", WIDE, loaded.ids)
    assert sorted(loaded.records, key=lambda one: one.id) == sorted(plain, key=lambda one: one.id)
    assert len(plain) == 23
    later = await told(crm, loaded.mark, fields=WIDE)
    assert (later.untold, len(later.ids)) == (False, 23)


async def test_a_bulk_load_that_broke_off_goes_on_with_its_job(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Its results are kept for a week; the mark at the end is still when it began."""
    ids = fake.same_stamp_flood(15)
    pages = [page async for page in crm.changed("Contact", FIELDS, None)]
    fake.advance(3_600)
    again = await told(crm, pages[1].mark)
    assert (again.ids, again.untold, again.mark) == (ids[8:], True, pages[-1].mark)
    assert len([one for one in fake.calls if one.startswith("POST") and "/jobs/" in one]) == 1


async def test_a_bulk_load_whose_job_is_gone_begins_anew(fake: FakeSalesforce, crm: Salesforce) -> None:
    """As one does that was for other fields."""
    ids = fake.same_stamp_flood(15)
    pages = [page async for page in crm.changed("Contact", FIELDS, None)]
    assert (await told(crm, pages[1].mark, fields=(*FIELDS, "Title"))).ids == ids
    fake.bulk.forget_jobs()
    assert (await told(crm, pages[1].mark)).ids == ids
    assert len([one for one in fake.calls if one.startswith("POST") and "/jobs/" in one]) == 3


async def test_a_bulk_query_may_fail(fake: FakeSalesforce, crm: Salesforce, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or take too long."""
    fake.same_stamp_flood(15)
    fake.bulk.failing = "out of luck"
    with pytest.raises(Away, match="out of luck"):
        await told(crm)
    fake.bulk.failing = ""
    fake.bulk_polls = 3
    monkeypatch.setattr(bulk, "POLLS", 3)
    with pytest.raises(Away, match="too long"):
        await told(crm)


async def test_a_bulk_load_leaves_out_what_may_not_be_seen(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Of what we add; a field that was asked for is named."""
    ids = fake.same_stamp_flood(15)
    fake.hidden["Contact"] = {"AccountId", "SystemModstamp"}
    assert (await told(crm)).ids == ids
    with pytest.raises(FieldGone, match="Nope__c"):
        await told(crm, fields=("Nope__c",))


async def test_with_few_calls_left_a_bulk_load_waits_between_parts(fake: FakeSalesforce, crm: Salesforce) -> None:
    """And goes on where it was."""
    ids = fake.same_stamp_flood(15)
    fake.total, fake.used = 100, 85
    (page,) = await broken_off(crm, Limited)
    fake.used = 0
    assert [one.id for one in page.records] + (await told(crm, page.mark)).ids == ids
