"""What the adapter reads of Dynamics, from a fake over real HTTP."""

from datetime import timedelta

import pytest

from app.core import clock
from app.sync.crm import CrmDeleted, Denied, FieldGone
from app.sync.dynamics import Dynamics
from tests.fakes import dynamics as fakes
from tests.fakes.dynamics import FakeDynamics
from tests.fakes.dynamics_web import USER, VERSION
from tests.sync.dynamics_doors import FIELDS, Canned, crm, fake, opened, told

__all__ = ["crm", "fake"]

DAY = 86_400


# Getting in


async def test_a_check_tells_the_version_and_as_whom_it_takes_us(crm: Dynamics) -> None:
    """The user is remembered: what it wrote is our own."""
    info = await crm.check()
    assert (info.version, info.user, crm.user) == (VERSION, USER, USER)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"client_secret": "wrong"}, "AADSTS7000215"),
        ({"client_id": "nobody"}, "AADSTS700016"),
        ({"token_url": None}, "oauth2/v2.0/token"),
    ],
)
async def test_who_is_not_let_in_reads_why(fake: FakeDynamics, other: dict[str, str | None], words: str) -> None:
    """In the words of whoever gives tokens; the secret is in none of them."""
    async with opened(fake, **other) as crm:
        with pytest.raises(Denied, match=words) as refusal:
            await crm.check()
    assert "wrong" not in refusal.value.message


async def test_a_token_is_renewed_before_it_is_over(
    fake: FakeDynamics, crm: Dynamics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has less than a minute left is not used any more, though the CRM would take it."""
    monkeypatch.setattr(fakes, "TOKEN_SECONDS", 50)
    await crm.check()
    assert len(fake._tokens) == 2
    assert {call.status for call in fake.calls} == {200}


async def test_a_token_without_a_time_holds_until_it_is_refused(fake: FakeDynamics, crm: Dynamics) -> None:
    """A refusal costs one call, and the work goes on."""
    await crm.check()
    fake.forget_tokens()
    await crm.check()
    assert [call.status for call in fake.calls] == [200, 200, 401, 200, 200]


async def test_what_is_not_the_api_is_denied() -> None:
    """A base address that is somebody else's."""
    async with opened(Canned({"WhoAmI": [(404, {}, '{"error":{"code":"","message":"Not here."}}')]})) as crm:
        with pytest.raises(Denied, match="Not here"):
            await crm.check()


# Metadata


async def test_columns_are_told_in_our_words(crm: Dynamics) -> None:
    """Kind, length, options, and whether they can be written."""
    fields = {one.name: one for one in await crm.describe("contact")}
    kinds = {name: one.kind for name, one in fields.items()}
    expected = {
        "lastname": "TEXT",
        "emailaddress1": "EMAIL",
        "mobilephone": "PHONE",
        "birthdate": "DATE",
        "lastonholdtime": "DATE_TIME",
        "gendercode": "PICKLIST",
        "description": "TEXT",
        "creditlimit": "DECIMAL",
        "numberofchildren": "INTEGER",
        "donotemail": "BOOLEAN",
        "parentcustomerid": "OTHER",
        "gendercodename": "OTHER",
        "statecode": "PICKLIST",
    }
    assert {name: kinds[name] for name in expected} == expected
    assert fields["gendercode"].options == {"1": "Male", "2": "Female"}
    assert (fields["lastname"].label, fields["lastname"].length, fields["description"].length) == (
        "Last Name",
        50,
        2000,
    )
    assert not fields["modifiedon"].updateable
    assert {one.name: one.kind for one in await crm.describe("account")}["websiteurl"] == "URL"


@pytest.mark.parametrize(
    ("entity", "required"), [("lead", {"subject", "lastname", "companyname"}), ("contact", {"lastname"})]
)
async def test_required_is_what_somebody_has_to_give(crm: Dynamics, entity: str, required: set[str]) -> None:
    """Owner, id and state are required as well, but the CRM has them by itself."""
    assert {one.name for one in await crm.describe(entity) if one.required} == required


@pytest.mark.parametrize("entity", ["opportunity", "contacts", "contact')/Attributes('", "lead"])
async def test_an_entity_that_is_not_there_is_gone(fake: FakeDynamics, crm: Dynamics, entity: str) -> None:
    """Be it that nobody knows it, or that sales isn't installed."""
    del fake.web.schema["lead"]
    with pytest.raises(FieldGone) as gone:
        await crm.describe(entity)
    assert gone.value.entity == entity


# Changes, tracked


async def test_the_first_pass_tells_all_there_is(fake: FakeDynamics, crm: Dynamics) -> None:
    """In pages; which deletions came before nobody knows, so links have to be looked at."""
    ids = {fake.add("contact", lastname=f"L{place}") for place in range(2500)}
    pages = [page async for page in crm.changed("contact", FIELDS, None)]
    assert [len(page.records) for page in pages] == [1000, 1000, 500]
    assert {one.id for page in pages for one in page.records} == ids
    assert [page.untold for page in pages] == [False, False, True]
    assert ["next" in page.mark for page in pages] == [True, True, False]
    assert "delta" in pages[-1].mark


async def test_a_record_has_its_fields_stamp_and_etag(fake: FakeDynamics, crm: Dynamics) -> None:
    """Null and absent are the same."""
    key = fake.add("contact", firstname="Ada", emailaddress1="ada@example.com")
    (record,) = (await told(crm)).records
    row = fake.web.tables["contact"].rows[key]
    assert record.id == key
    assert record.fields == {"firstname": "Ada", "emailaddress1": "ada@example.com"}
    assert record.etag == f'W/"{row["version"]}"'
    assert clock.text(record.stamp) == row["modifiedon"].replace("Z", ".000Z")


async def test_a_later_pass_tells_what_changed_and_what_is_gone(fake: FakeDynamics, crm: Dynamics) -> None:
    """A record that came and went in between is told as gone; who never heard of it has nothing to do."""
    ada, bob, cid = (fake.add("contact", lastname=name) for name in ("A", "B", "C"))
    first = await told(crm)
    fake.edit("contact", bob, lastname="B2")
    fake.delete("contact", cid)
    passing = fake.add("contact", lastname="D")
    fake.delete("contact", passing)
    second = await told(crm, first.mark)
    assert (second.ids, second.untold) == ([bob], False)
    assert set(second.deleted) == {CrmDeleted(cid), CrmDeleted(passing)}
    assert ada not in second.ids


async def test_a_pass_with_nothing_new_costs_one_call(fake: FakeDynamics, crm: Dynamics) -> None:
    """And brings a new mark."""
    fake.add("contact", lastname="A")
    first = await told(crm)
    fake.calls.clear()
    fake.add("lead", lastname="of another table")
    second = await told(crm, first.mark)
    assert (second.records, second.deleted, len(fake.calls)) == ([], [], 1)
    assert second.mark["delta"] != first.mark["delta"]


async def test_a_pass_goes_on_from_the_mark_of_a_page(fake: FakeDynamics, crm: Dynamics) -> None:
    """A load that broke off goes on, still leaves deletions untold, and misses no change that came meanwhile."""
    ids = {fake.add("contact", lastname=f"L{place}") for place in range(1500)}
    page = await anext(crm.changed("contact", FIELDS, None))
    moved = page.records[0].id
    fake.edit("contact", moved, lastname="moved")
    rest = await told(crm, page.mark)
    assert {one.id for one in page.records} | set(rest.ids) == ids
    assert rest.untold
    assert (await told(crm, rest.mark)).ids == [moved]


async def test_other_fields_need_all_records_again(fake: FakeDynamics, crm: Dynamics) -> None:
    """The mark would bring the old ones; the order of the same ones doesn't matter."""
    key = fake.add("contact", lastname="A", jobtitle="Countess")
    first = await told(crm)
    assert (await told(crm, first.mark, fields=FIELDS[::-1])).ids == []
    second = await told(crm, first.mark, fields=("jobtitle",))
    assert (second.ids, second.untold, second.records[0].fields) == ([key], True, {"jobtitle": "Countess"})


@pytest.mark.parametrize(("days", "forgiving"), [(31, False), (31, True)])
async def test_a_mark_that_is_too_old_is_as_none(
    fake: FakeDynamics, crm: Dynamics, days: int, *, forgiving: bool
) -> None:
    """Whether the CRM refuses it or answers with all there is without a word."""
    kept, lost = fake.add("contact", lastname="A"), fake.add("contact", lastname="B")
    first = await told(crm)
    fake.delete("contact", lost)
    fake.web.forgiving = forgiving
    fake.advance(days * DAY)
    second = await told(crm, first.mark)
    assert (second.ids, second.untold) == ([kept], True)
    assert (await told(crm, second.mark)).ids == []


async def test_a_mark_of_some_days_holds_but_links_are_looked_at(fake: FakeDynamics, crm: Dynamics) -> None:
    """For how long a token holds is the CRM's to set, and what it does then differs."""
    fake.add("contact", lastname="A")
    first = await told(crm)
    fake.advance(2 * DAY)
    second = await told(crm, first.mark)
    assert (second.ids, second.untold) == ([], True)


async def test_who_a_contact_belongs_to(fake: FakeDynamics, crm: Dynamics) -> None:
    """A company is one; the parent may be another contact, which is none."""
    company = fake.add("account", name="Analytical Engines")
    ada = fake.add("contact", lastname="A", parentcustomerid=("account", company))
    child = fake.add("contact", lastname="B", parentcustomerid=("contact", ada))
    assert {one.id: one.account for one in (await told(crm)).records} == {ada: company, child: None}


async def test_a_lead_that_became_a_customer(fake: FakeDynamics, crm: Dynamics) -> None:
    """The lead says that it did, the contact which lead it was."""
    lead = fake.add("lead", lastname="A", companyname="C")
    open_one = fake.add("lead", lastname="B", companyname="C")
    contact = fake.convert(lead)
    leads = (await told(crm, entity="lead", fields=("lastname",))).records
    assert {one.id: one.converted for one in leads} == {lead: True, open_one: False}
    assert [(one.id, one.came_from) for one in (await told(crm)).records] == [(contact, lead)]


async def test_a_record_that_was_merged_is_gone_into_its_master(fake: FakeDynamics, crm: Dynamics) -> None:
    """It still stands there, inactive; by its id or its values it isn't found any more either."""
    master, loser = fake.add("contact", lastname="A"), fake.add("contact", lastname="A")
    first = await told(crm)
    fake.merge("contact", master, loser)
    second = await told(crm, first.mark)
    assert (second.ids, second.deleted) == ([master], [CrmDeleted(loser, into=master)])
    assert [one.id for one in await crm.read("contact", FIELDS, [master, loser])] == [master]
    assert [one.id for one in await crm.find("contact", FIELDS, "lastname", ["A"])] == [master]


async def test_a_mark_is_small_and_plain(fake: FakeDynamics, crm: Dynamics) -> None:
    """It is kept in a document, and says when its pass began by the CRM's clock."""
    fake.advance(3 * DAY)
    mark = (await told(crm)).mark
    assert set(mark) == {"fields", "at", "delta"}
    assert abs(clock.moment(mark["at"]) - fake.clock.now()) < timedelta(seconds=60)


# Changes, by time


async def test_without_tracking_changes_are_told_by_time(fake: FakeDynamics, crm: Dynamics) -> None:
    """Every pass starts five minutes before its mark, and none tells deletions."""
    fake.tracking.discard("contact")
    old = fake.add("contact", lastname="A")
    first = await told(crm)
    assert (first.ids, first.untold, set(first.mark)) == ([old], True, {"fields", "modified"})
    fake.advance(600)
    new = fake.add("contact", lastname="B")
    second = await told(crm, first.mark)
    assert second.ids == [old, new]
    third = await told(crm, second.mark)
    assert (third.ids, third.untold) == ([new], True)


async def test_without_tracking_what_is_committed_late_is_told(fake: FakeDynamics, crm: Dynamics) -> None:
    """Its time lies before the mark of the pass that missed it."""
    fake.tracking.discard("contact")
    first = await told(crm)
    late = fake.late_commit("contact", 280, lastname="Late")
    assert (await told(crm, first.mark)).ids == [late]


async def test_without_tracking_one_time_may_go_over_pages(fake: FakeDynamics, crm: Dynamics) -> None:
    """None is lost and none twice, also where somebody saves one between two pages."""
    fake.tracking.discard("contact")
    ids = set(fake.same_stamp_flood("contact", 2300))
    page = await anext(crm.changed("contact", FIELDS, None))
    rest = await told(crm, page.mark)
    assert [*(one.id for one in page.records), *rest.ids].count(rest.ids[0]) == 1
    assert {one.id for one in page.records} | set(rest.ids) == ids


async def test_tracking_that_is_turned_on_is_used_by_the_next_full_pass(fake: FakeDynamics, crm: Dynamics) -> None:
    """Until then the mark says how to go on."""
    fake.tracking.discard("contact")
    first = await told(crm)
    fake.tracking.add("contact")
    assert "modified" in (await told(crm, first.mark)).mark
    assert "delta" in (await told(crm)).mark
