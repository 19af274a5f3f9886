"""What goes wrong with a Salesforce, one fault at a time and all at once; at a fake over real HTTP."""

import pytest

from app.sync.crm import Away, CrmChange, Denied, Limited, Mark
from app.sync.salesforce import Salesforce
from tests.fakes.salesforce import FakeSalesforce
from tests.sync.salesforce_doors import FIELDS, asked, broken_off, crm, fake, opened, told

__all__ = ["crm", "fake"]
PASSING = ("expire_token", "too_many", "server_error", "garbage")


@pytest.mark.parametrize("fault", PASSING)
async def test_what_passes_by_is_not_noticed(fake: FakeSalesforce, crm: Salesforce, fault: str) -> None:
    """A pass tells what it would have told, and a change is written once."""
    ids = fake.same_stamp_flood(10)
    fake.page_size = 4
    await crm.check()
    fake.faults.plan(fault)
    assert (await told(crm)).ids == ids
    fake.faults.plan(fault)
    (outcome,) = await crm.write("Contact", [CrmChange(ids[0], {"Title": "Dr."})])
    assert (outcome.status, fake.record("Contact", ids[0])["Title"]) == ("WRITTEN", "Dr.")
    assert fake.faults.struck[fault] == 2


async def test_a_session_may_end_in_mid_pass(fake: FakeSalesforce, crm: Salesforce) -> None:
    """The page at hand is asked for again."""
    ids = fake.same_stamp_flood(10)
    fake.page_size = 4
    async for page in crm.changed("Contact", FIELDS, None):
        fake.expire_tokens()
        ids = [one for one in ids if one not in {record.id for record in page.records}]
    assert ids == []
    assert len(asked(fake, "/token")) == 3


async def test_a_session_that_never_holds_is_no_way_in(fake: FakeSalesforce, crm: Salesforce) -> None:
    """One new token, and no more."""
    fake.faults["expire_token"] = 1.0
    with pytest.raises(Denied, match="Session expired"):
        await crm.describe("Contact")
    assert len(asked(fake, "/token")) == 2


@pytest.mark.parametrize(
    ("fault", "error"), [("too_many", Limited), ("server_error", Away), ("garbage", Away), ("limit", Limited)]
)
async def test_what_stays_is_told(
    fake: FakeSalesforce, crm: Salesforce, fault: str, error: type[Away | Limited]
) -> None:
    """After eight tries; at the limit after one."""
    await crm.check()
    fake.faults[fault] = 1.0
    before = len(fake.calls)
    with pytest.raises(error):
        await told(crm)
    assert len(fake.calls) - before == (1 if fault == "limit" else 8)


async def test_a_limit_ends_a_pass_behind_its_page(fake: FakeSalesforce, crm: Salesforce) -> None:
    """What was told has its mark."""
    fake.same_stamp_flood(10)
    fake.advance(600)
    fake.page_size = 4
    (page,) = await broken_off(crm, Limited, None, lambda: fake.faults.plan("limit"))
    assert len(page.records) == 4
    assert len((await told(crm, page.mark)).ids) == 10


async def test_a_slow_answer_is_waited_for(fake: FakeSalesforce, crm: Salesforce) -> None:
    """As long as there is patience."""
    fake.slow_seconds = 0.01
    fake.faults["slow"] = 1.0
    assert (await told(crm)).ids == []


async def test_an_answer_that_hangs_is_asked_for_again(fake: FakeSalesforce, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind half a body; a new record may have been made by then."""
    monkeypatch.setattr("app.sync.wire.READ_SECONDS", 0.2)
    ids = fake.same_stamp_flood(3)
    async with opened(fake) as crm:
        await crm.check()
        fake.faults.plan("half_open")
        assert (await told(crm)).ids == ids
        fake.faults.plan("half_open")
        with pytest.raises(Away) as lost:
            await crm.write("Contact", [CrmChange(None, {"LastName": "New"})])
    assert lost.value.maybe
    assert len(fake.records("Contact")) == 4


@pytest.mark.parametrize("fault", ["drop_after_commit", "garbage", "server_error"])
async def test_a_new_record_is_not_made_a_second_time(fake: FakeSalesforce, crm: Salesforce, fault: str) -> None:
    """Where nobody says that it was made, whoever asked for it has to look."""
    await crm.check()
    fake.faults.plan(fault)
    with pytest.raises(Away) as lost:
        await crm.write("Contact", [CrmChange(None, {"LastName": "New", "Email": "new@example.com"})])
    assert lost.value.maybe
    found = await crm.find("Contact", FIELDS, "Email", ["new@example.com"])
    assert len(found) == len(fake.journal) == (0 if fault == "server_error" else 1)


async def test_a_new_record_waits_where_it_surely_was_not_made(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Whoever asks to wait did nothing."""
    await crm.check()
    fake.faults.plan("too_many", 2)
    (outcome,) = await crm.write("Contact", [CrmChange(None, {"LastName": "New"})])
    assert [one["Id"] for one in fake.records("Contact")] == [outcome.id]


async def test_a_change_is_written_again(fake: FakeSalesforce, crm: Salesforce) -> None:
    """That does no harm: the second time it is what it was."""
    (id_,) = fake.same_stamp_flood(1)
    await crm.check()
    fake.faults.plan("drop_after_commit")
    (outcome,) = await crm.write("Contact", [CrmChange(id_, {"Title": "Dr."})])
    assert outcome.status == "WRITTEN"
    assert len(fake.journal) == 2


async def test_a_crm_that_is_away_is_told(crm: Salesforce, fake: FakeSalesforce) -> None:
    """Nobody listens any more; nothing can have happened."""
    async with opened(fake) as gone:
        await gone.check()
        url = gone._line._credentials.base_url
    async with opened(fake, base_url=url) as late:
        with pytest.raises(Away, match="can't be reached") as away:
            await late.write("Contact", [CrmChange(None, {"LastName": "New"})])
    assert not away.value.maybe


async def test_a_part_of_a_batch_may_be_refused(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Each outcome is that of its record."""
    ids = fake.same_stamp_flood(20)
    fake.faults["partial"] = 0.5
    outcomes = await crm.write("Contact", [CrmChange(one, {"Title": "Dr."}) for one in ids])
    assert {one.status for one in outcomes} == {"WRITTEN", "REFUSED"}
    for one in outcomes:
        assert (fake.record("Contact", str(one.id))["Title"] == "Dr.") is (one.status == "WRITTEN")
    assert {one.message for one in outcomes} == {"", "unable to obtain exclusive access to this record"}


async def test_a_record_may_come_twice_or_go(fake: FakeSalesforce, crm: Salesforce) -> None:
    """It is told once in a page; a pass tells a deletion when it is known."""
    fake.page_size = 5
    ids = set(fake.same_stamp_flood(20))
    fake.faults["duplicate"] = 1.0
    assert len(await crm.find("Contact", FIELDS, "LastName", [f"Flood {one}" for one in range(20)])) == 20
    fake.faults["vanish"] = 1.0
    first = await told(crm)
    fake.faults.clear()
    fake.advance(60)
    later = await told(crm, first.mark)
    left = {one["Id"] for one in fake.records("Contact")}
    assert sorted(first.ids) == sorted(ids)
    assert left == ids - {one.id for one in later.deleted}
    assert {one.id for one in await crm.read("Contact", FIELDS, first.ids)} == left


async def test_what_a_crm_writes_its_own_way_is_read_that_way(fake: FakeSalesforce, crm: Salesforce) -> None:
    """Whether that is a change, is for others to tell."""
    (id_,) = fake.same_stamp_flood(1)
    fake.faults["reformat"] = 1.0
    await crm.write("Contact", [CrmChange(id_, {"Phone": "+4930123456", "Email": "a@example.com"})])
    (one,) = await crm.read("Contact", ("Phone", "Email"), [id_])
    assert one.fields == {"Phone": "+493 012 345 6", "Email": "A@EXAMPLE.COM"}


@pytest.mark.parametrize("seed", range(3))
async def test_a_clock_that_is_wrong_is_still_the_one_that_counts(seed: int) -> None:
    """Marks are by the CRM's clock alone, and what it asks to wait is."""
    fake = FakeSalesforce(seed)
    fake.faults.plan("skew")
    async with opened(fake) as crm:
        mark = (await told(crm)).mark
        (id_,) = fake.same_stamp_flood(1)
        fake.faults["too_many"] = 0.3
        assert (await told(crm, mark)).ids == [id_]


@pytest.mark.parametrize("seed", range(4))
async def test_with_all_faults_at_once_passes_still_tell_everything(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that only takes what passes tell is what the CRM has, once that comes to rest."""
    monkeypatch.setattr("app.sync.wire.READ_SECONDS", 0.3)
    fake = FakeSalesforce(seed)
    fake.page_size, fake.slow_seconds = 7, 0.01
    names = ("server_error", "slow", "garbage", "expire_token", "too_many", "limit", "half_open", "skew")
    for fault in (*names, "late_commit", "page_moves", "duplicate", "vanish"):
        fake.faults[fault] = 0.02
    copy: dict[str, object] = {}
    async with opened(fake) as crm:
        mark = await copied(crm, copy, None)
        for turn in range(25):
            users_work(fake, turn)
            if turn % 5 == 4:
                mark = await copied(crm, copy, mark)
        fake.faults.clear()
        fake.advance(120)
        await copied(crm, copy, await copied(crm, copy, mark))
    assert copy == {one["Id"]: (one["LastName"], one["Title"]) for one in fake.records("Contact")}


def users_work(fake: FakeSalesforce, turn: int) -> None:
    """Do what users do: some records are made, changed, merged and deleted."""
    chance = fake.faults.chance
    for one in range(6):
        fake.add("Contact", LastName=f"{turn} {one}")
    for id_ in chance.sample([one["Id"] for one in fake.records("Contact")], 4):
        fake.edit("Contact", id_, Title=f"{turn}")
    here = [one["Id"] for one in fake.records("Contact")]
    fake.delete("Contact", here.pop(chance.randrange(len(here))))
    fake.merge("Contact", *chance.sample(here, 2))
    fake.advance(chance.choice([1, 20, 90]))


async def copied(crm: Salesforce, copy: dict[str, object], mark: Mark | None) -> Mark | None:
    """Take what a pass tells; where it breaks off, what it told until then."""
    try:
        async for page in crm.changed("Contact", ("LastName", "Title"), mark):
            for one in page.records:
                copy[one.id] = (one.fields["LastName"], one.fields.get("Title"))
            for gone in page.deleted:
                copy.pop(gone.id, None)
            if page.untold:
                there = {one.id for one in await crm.read("Contact", (), list(copy))}
                for id_ in copy.keys() - there:
                    del copy[id_]
            mark = page.mark
    except (Away, Limited, Denied):
        return mark
    return mark
