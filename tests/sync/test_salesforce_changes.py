"""What a pass tells of a Salesforce, and where the next one begins; at a fake over real HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core import clock
from app.sync.crm import Away, CrmDeleted, FieldGone, Limited, Mark
from app.sync.salesforce import Salesforce
from app.sync.salesforce_changes import LATE, LOST_CURSORS
from tests.fakes.salesforce import FakeSalesforce
from tests.sync.salesforce_doors import FIELDS, asked, broken_off, crm, fake, told

__all__ = ["crm", "fake"]
DAY = 86_400


def stamp(mark: Mark) -> datetime:
    """Return the time of a mark."""
    return datetime.fromisoformat(mark["stamp"]).replace(tzinfo=None)


# Passes by queries


async def test_a_first_pass_tells_all_that_is_there(fake: FakeSalesforce, crm: Salesforce) -> None:
    """And of no deletions; its mark is when it began, by the clock of the CRM."""
    fake.clock.set(datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None))
    ids = [fake.add("Contact", LastName=f"{one}") for one in range(3)]
    fake.delete("Contact", ids[1])
    first = await told(crm)
    assert (first.ids, first.deleted, first.untold) == ([ids[0], ids[2]], [], True)
    assert clock.text(stamp(first.mark)).startswith("2030-01-02T03:04:")
    assert first.mark["deleted"] == first.mark["stamp"]


async def test_a_later_pass_tells_what_changed(fake: FakeSalesforce, crm: Salesforce) -> None:
    """In the order of changes; what nobody touched isn't told."""
    ids = [fake.add("Contact", LastName=f"{one}") for one in range(4)]
    fake.advance(600)
    first = await told(crm)
    for one in (2, 0):
        fake.edit("Contact", ids[one], Title="Dr.")
        fake.advance(1)
    new = fake.add("Contact", LastName="new")
    later = await told(crm, first.mark)
    assert (later.ids, later.untold) == ([ids[2], ids[0], new], False)
    assert stamp(later.mark) >= stamp(first.mark)
    fake.advance(600)
    assert (await told(crm, later.mark)).ids == [ids[2], ids[0], new]
    fake.advance(600)
    last = await told(crm, (await told(crm, later.mark)).mark)
    assert last.records == []


async def test_nothing_to_do_costs_two_requests(fake: FakeSalesforce, crm: Salesforce) -> None:
    """One for changes, one for deletions."""
    mark = (await told(crm)).mark
    before = fake.used
    await told(crm, mark)
    assert fake.used - before == 2


async def test_a_flood_of_one_stamp_is_told_page_by_page(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Five thousand records of one transaction, 200 a page: none is lost, none is told twice."""
    mark = (await told(crm)).mark
    fake.page_size = 200
    ids = fake.same_stamp_flood(5_000)
    flood = await told(crm, mark)
    assert (len(flood.ids), set(flood.ids)) == (5_000, set(ids))


@pytest.mark.parametrize("settled", [0, 600])
async def test_a_lost_place_in_a_query_is_found_again(fake: FakeSalesforce, crm: Salesforce, settled: int) -> None:
    """Behind the last record that is sure, be it in the middle of a flood; else from the start of the pass."""
    mark = (await told(crm)).mark
    fake.page_size = 200
    fake.advance(1)
    ids = fake.same_stamp_flood(1_000)
    fake.advance(settled)
    seen: list[str] = []
    async for page in crm.changed("Contact", FIELDS, mark):
        seen += [one.id for one in page.records]
        if len(seen) == 400:
            fake.api.forget_cursors()
    assert set(seen) == set(ids)
    assert len(seen) == (1_000 if settled else 1_400)


async def test_a_place_that_is_lost_again_and_again_is_given_up(fake: FakeSalesforce, crm: Salesforce) -> None:
    """The next pass goes on from the last page's mark."""
    fake.page_size = 1
    fake.same_stamp_flood(20)
    await broken_off(crm, Away, None, fake.api.forget_cursors)
    assert len(asked(fake, "/query/")) == LOST_CURSORS


async def test_a_pass_that_broke_off_goes_on_from_its_page(fake: FakeSalesforce, crm: Salesforce) -> None:
    """What is five minutes old is sure; the first load is still one, and so tells of no deletions."""
    ids = []
    for one in range(10):
        ids.append(fake.add("Contact", LastName=f"{one}"))
        fake.advance(600)
    fake.page_size = 3
    pages = [page async for page in crm.changed("Contact", FIELDS, None)]
    again = await told(crm, pages[1].mark)
    assert (again.ids, again.untold) == (ids[5:], True)


async def test_a_record_that_changes_between_pages_says_nothing_of_others(
    fake: FakeSalesforce, crm: Salesforce
) -> None:
    """It is told with the stamp of now: as a mark it would skip all pages behind it."""
    ids = fake.same_stamp_flood(6)
    fake.advance(3_600)
    fake.page_size = 2
    seen: list[str] = []
    async for page in crm.changed("Contact", FIELDS, None):
        if not seen:
            fake.edit("Contact", ids[3], Title="Dr.")
        seen += [one.id for one in page.records]
        if len(seen) == 4:
            break
    assert set((await told(crm, page.mark)).ids) >= set(ids[4:])


@pytest.mark.parametrize("seconds", [1, 240])
async def test_what_appears_late_is_told_by_the_next_pass(fake: FakeSalesforce, crm: Salesforce, seconds: int) -> None:
    """Its transaction began before the last pass, and was seen by nobody then."""
    fake.add("Contact", LastName="before")
    mark = (await told(crm)).mark
    late = fake.late_commit("Contact", seconds, LastName="late")
    assert late in (await told(crm, mark)).ids


async def test_no_mark_is_nearer_than_what_may_still_appear(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Nor does the mark of a page ever lie behind that of the pass before."""
    fake.page_size = 1
    mark = (await told(crm)).mark
    for _ in range(5):
        fake.add("Contact", LastName="x")
        fake.advance(90)
    later = await told(crm, mark)
    times = [stamp(one) for one in later.marks]
    assert times == sorted(times)
    assert times[0] >= stamp(mark)
    assert all(one <= times[-1] - LATE for one in times[1:-1] if one > stamp(mark))


async def test_a_clock_that_was_put_back_loses_nothing(fake: FakeSalesforce, crm: Salesforce) -> None:
    """The mark goes back with it, and what was deleted is for whoever has links to find."""
    fake.advance(3_600)
    mark = (await told(crm)).mark
    fake.advance(-3_600)
    new = fake.add("Contact", LastName="A")
    seen = await told(crm, mark)
    assert seen.untold
    assert (await told(crm, seen.mark)).ids == [new]


@pytest.mark.parametrize("mark", [{}, {"stamp": "soon", "deleted": "soon"}, {"stamp": 1, "deleted": None}, {"x": 1}])
async def test_a_mark_that_can_not_be_read_is_none(fake: FakeSalesforce, crm: Salesforce, mark: Mark) -> None:
    """All that is there is told."""
    id_ = fake.add("Contact", LastName="A")
    again = await told(crm, mark)
    assert (again.ids, again.untold) == ([id_], True)


async def test_a_converted_lead_tells_its_contact(fake: FakeSalesforce, crm: Salesforce) -> None:
    """And the contact its company."""
    lead = fake.add("Lead", LastName="A", Company="Acme")
    contact = fake.convert(lead)
    (one,) = (await told(crm, entity="Lead")).records
    (other,) = (await told(crm)).records
    (account,) = fake.records("Account")
    assert (one.converted, one.became, other.id, other.account) == (True, contact, contact, account["Id"])


async def test_a_time_that_may_not_be_seen_is_replaced(fake: FakeSalesforce, crm: Salesforce) -> None:
    """By that of the last modification."""
    fake.hidden["Lead"] = {"SystemModstamp"}
    ids = [fake.add("Lead", LastName=f"{one}", Company="Acme") for one in range(3)]
    first = await told(crm, entity="Lead")
    assert first.ids == ids
    fake.advance(600)
    fake.edit("Lead", ids[1], City="Ulm")
    assert (await told(crm, first.mark, "Lead")).ids[-1] == ids[1]


async def test_a_field_that_is_gone_is_named(fake: FakeSalesforce, crm: Salesforce) -> None:
    """By each kind of pass."""
    for mark in (None, {"stamp": "2020-01-01T00:00:00Z", "deleted": "2020-01-01T00:00:00Z"}):
        with pytest.raises(FieldGone, match="Nope__c"):
            await told(crm, mark, fields=("LastName", "Nope__c"))


async def test_with_few_calls_left_a_pass_waits_between_pages(fake: FakeSalesforce, crm: Salesforce) -> None:
    """An hour; then it goes on, one page at a time, until there is more."""
    fake.page_size = 2
    for _ in range(3):
        fake.same_stamp_flood(2)
        fake.advance(600)
    fake.total, fake.used = 100, 91
    seen: set[str] = set()
    mark: Mark | None = None
    for _ in range(3):
        (page,) = await broken_off(crm, Limited, mark)
        seen, mark = seen | {one.id for one in page.records}, page.mark
    fake.used = 0
    assert seen | set((await told(crm, mark)).ids) == {one["Id"] for one in fake.records("Contact")}


# Deletions


async def test_deletions_are_told_when_their_minute_is_over(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Once the mark has gone by, not again."""
    one, other = (fake.add("Contact", LastName=name) for name in "AB")
    fake.advance(3_600)
    mark = (await told(crm)).mark
    fake.delete("Contact", one)
    fake.advance(60)
    first = await told(crm, mark)
    assert (first.deleted, first.untold) == ([CrmDeleted(one)], False)
    fake.advance(3_600)
    fake.delete("Contact", other)
    fake.advance(60)
    assert (await told(crm, first.mark)).deleted == [CrmDeleted(other)]


async def test_no_deletion_is_lost_however_passes_lie(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Minutes are told as a whole: passes of every few seconds neither skip one nor ask for none."""
    ids = fake.same_stamp_flood(40)
    fake.clock.set(fake.clock.now().replace(second=0, microsecond=0))
    mark = (await told(crm)).mark
    seen: set[str] = set()
    for one in ids:
        fake.delete("Contact", one)
        fake.advance(17)
        later = await told(crm, mark)
        mark, seen = later.mark, seen | {gone.id for gone in later.deleted}
    fake.advance(60)
    assert seen | {gone.id for gone in (await told(crm, mark)).deleted} == set(ids)


@pytest.mark.parametrize("entity", ["Lead", "Contact", "Account"])
async def test_a_merged_record_tells_where_it_is(fake: FakeSalesforce, crm: Salesforce, entity: str) -> None:
    """Where that is: what it was merged into may have been merged itself."""
    more = {"Lead": {"LastName": "A", "Company": "A"}, "Contact": {"LastName": "A"}, "Account": {"Name": "A"}}[entity]
    one, other, last, gone = (fake.add(entity, **more) for _ in range(4))
    names = tuple(more)
    mark = (await told(crm, None, entity, names)).mark
    fake.merge(entity, other, one)
    fake.merge(entity, last, other)
    fake.delete(entity, gone)
    fake.advance(60)
    later = await told(crm, mark, entity, names)
    assert later.deleted == [CrmDeleted(one, last), CrmDeleted(other, last), CrmDeleted(gone)]
    assert last in later.ids


async def test_where_a_merged_record_is_may_be_hidden(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Then it is deleted like any other."""
    fake.hidden["Contact"] = {"MasterRecordId"}
    one, other = (fake.add("Contact", LastName=name) for name in "AB")
    mark = (await told(crm)).mark
    fake.merge("Contact", other, one)
    fake.advance(60)
    assert (await told(crm, mark)).deleted == [CrmDeleted(one)]


async def test_many_deletions_come_in_pages(
    fake: FakeSalesforce, crm: Salesforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose marks tell them all again, until the last one was told."""
    monkeypatch.setattr("app.sync.salesforce_changes.DELETED_AT_ONCE", 30)
    ids = fake.same_stamp_flood(100)
    mark = (await told(crm)).mark
    for one in ids:
        fake.delete("Contact", one)
    fake.advance(60)
    pages = [page async for page in crm.changed("Contact", FIELDS, mark)]
    assert [len(page.deleted) for page in pages] == [0, 30, 30, 30, 10]
    assert {one.id for page in pages for one in page.deleted} == set(ids)
    assert len((await told(crm, pages[2].mark)).deleted) == 100


async def test_a_mark_of_fifteen_days_ago_tells_of_no_deletions(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Whoever has links asks for their records then; what changed is still told."""
    one, other = (fake.add("Contact", LastName=name) for name in "AB")
    mark = (await told(crm)).mark
    fake.delete("Contact", one)
    fake.edit("Contact", other, LastName="C")
    fake.advance(14 * DAY)
    assert (await told(crm, mark)).deleted == [CrmDeleted(one)]
    fake.advance(DAY)
    later = await told(crm, mark)
    assert (later.ids, later.deleted, later.untold) == ([other], [], True)
    assert (await told(crm, later.mark)).untold is False


async def test_deletions_that_were_purged_are_not_told(fake: FakeSalesforce, crm: Salesforce) -> None:
    """What is told is told, and that it isn't all."""
    one = fake.add("Contact", LastName="A")
    mark = (await told(crm)).mark
    fake.delete("Contact", one)
    fake.advance(300)
    fake.earliest = fake.clock.now().replace(tzinfo=UTC) - timedelta(seconds=60)
    later = await told(crm, mark)
    assert (later.deleted, later.untold) == ([CrmDeleted(one)], True)
