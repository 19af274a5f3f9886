"""Synchronizations while somebody deletes or rules what a pass is just looking at."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from app.changes.chunk import Chunk
from app.changes.erasure import key_of
from app.changes.sealing import Sealing
from app.core.errors import unavailable
from app.mongo.bound import Bound
from app.mongo.counted import CountedUnit
from app.sync import line, pull, worker
from app.sync.line import Line
from app.sync.making import Making
from app.sync.pull import Pull
from app.sync.service import Syncs
from app.sync.store import LINKS
from tests.api import DEFINE, UPDATE
from tests.stories.syncing import DELETE, RESOLVE, Side

Around = Callable[..., AbstractAsyncContextManager[None]]
PERSONS = "{ persons(first: 9) { nodes { id } } }"
FIELDS = {"first": "firstName", "last": "lastName", "email": "email", "city": "city"}


def once(
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
    around: Around,
    when: Callable[..., bool] = lambda *_: True,
) -> None:
    """Have something happen once around a method, the first time that it is called with what `when` asks for."""
    method, left = getattr(owner, name), [around]

    async def first(*given: Any) -> Any:
        if not left or not when(*given):
            return await method(*given)
        async with left.pop()(*given):
            return await method(*given)

    monkeypatch.setattr(owner, name, first)


def deletion(side: Side, **by: str) -> Around:
    """Return what deletes a person before something goes on."""

    @asynccontextmanager
    async def deleted(*_: Any) -> AsyncIterator[None]:
        assert (await side.api(DELETE, by=by))["errors"] == []
        yield

    return deleted


async def _conflicting(side: Side, record: str) -> None:
    """Change the city on both sides, ours later; nothing of it is written to the profile."""
    side.fake.advance(-5)
    side.edit("contact", record, city="Theirs")
    side.fake.advance(5)
    payload = await side.api(UPDATE, by={"email": "ada@sales.example"}, input={"city": "Ours"})
    assert payload["errors"] == []


@pytest.mark.parametrize("way", ["in", "out"])
async def test_who_is_deleted_while_a_pass_is_about_to_write_leaves_nothing(
    side: Side, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """W a person is deleted behind the plan of a pass, or of the answer of the CRM T no value or hash is kept."""
    record = side.add("contact", first="Ada", last="Lovelace", email="ada@sales.example", city="Both")
    await side.begun("contact", fields=FIELDS)
    await _conflicting(side, record)
    deleted = deletion(side, email="ada@sales.example")
    if way == "in":
        once(monkeypatch, Chunk, "_settled", deleted)
    else:
        once(monkeypatch, Line, "held", deleted, when=lambda _, __, groups=(): bool(groups))
    one = await side.ran()
    assert (one["issues"]["nodes"], one["state"]) == ([], "IDLE")
    (kept,) = await Bound(side.api.service.store.engine, LINKS, side.api.account).find({})
    assert (kept["state"], kept.get("base"), kept.get("open")) == ("erased", None, None)
    # Nor is anybody made again later.
    side.edit("contact", record, city="Graz")
    await side.ran(full=True)
    assert await side.person(email="ada@sales.example") is None


async def test_who_is_deleted_while_a_record_is_made_leaves_nothing(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W a person is deleted behind the answer about the record that was made T it is nobody's, and no hash is kept."""
    await side.begun("contact", fields=FIELDS)
    await side.api.made(lastName="Lovelace", firstName="x" * 60, emails=[{"address": "ada@sales.example"}])
    once(monkeypatch, Making, "_attach", deletion(side, email="ada@sales.example"), when=lambda _, made: bool(made))
    await side.ran()
    (record,) = side.records("contact")
    (kept,) = await Bound(side.api.service.store.engine, LINKS, side.api.account).find({})
    assert (kept["record"], kept["state"], kept.get("base"), kept.get("open")) == (record["id"], "erased", None, None)
    side.edit("contact", record["id"], city="Graz")
    one = await side.ran(full=True)
    assert await side.person(email="ada@sales.example") is None
    assert one["issues"]["nodes"] == []


async def test_a_ruling_stands_whatever_a_pass_has_read_before(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """W a pass writes what it read before between the two writes of a ruling T what was ruled holds."""
    record = side.add("contact", first="Ada", last="Lovelace", email="ada@sales.example", city="Both")
    await side.begun("contact", fields=FIELDS)
    await side.api(UPDATE, by={"email": "ada@sales.example"}, input={"city": "Ours"})
    side.fake.advance(5)
    side.edit("contact", record, city="Theirs")
    (issue,) = (await side.ran())["issues"]["nodes"]
    side.fake.advance(5)
    side.edit("contact", record, city="Third")

    written, told = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slowly(*_: Any) -> AsyncIterator[None]:
        yield
        written.set()
        await told.wait()

    @asynccontextmanager
    async def ruled(_: Pull, sealing: Sealing[Any], *__: Any) -> AsyncIterator[None]:
        ruling = asyncio.create_task(side.api(RESOLVE, id=issue["id"], keep="PROFILE"))
        await written.wait()
        try:
            yield
            await sealing.over()
        finally:
            told.set()
            assert (await ruling)["errors"] == []

    once(monkeypatch, Syncs, "_write", slowly)
    once(monkeypatch, Pull, "_send", ruled)
    one = await side.ran()
    assert one["issues"]["nodes"] == []
    assert ((await side.of("contact", record))["city"], side.record("contact", record)["city"]) == ("Ours", "Ours")


async def test_a_lead_may_become_the_contact_of_somebody_who_was_deleted(side: Side) -> None:
    """W a lead is converted into a contact whose person was deleted here T its person is a customer, and passes end."""
    contact = side.add("contact", first="Ada", last="Lovelace", email="ada@sales.example")
    lead = side.add("lead", first="Bob", last="Beta", email="bob@sales.example")
    await side.begun("contact", "lead")
    payload = await side.api(DELETE, by={"email": "ada@sales.example"})
    assert payload["errors"] == []
    side.convert(lead, contact)
    for _ in range(2):
        one = await side.ran()
        assert (one["state"], one["lastError"]) == ("IDLE", None)
        assert (await side.of("lead", lead))["type"] == "CUSTOMER"


async def test_a_record_may_be_merged_into_that_of_somebody_who_was_deleted(side: Side) -> None:
    """W a contact is merged there into one whose person was deleted here T its person has that, and passes end."""
    master = side.add("contact", first="Ada", last="Lovelace", email="ada@sales.example")
    record = side.add("contact", first="Bob", last="Beta", email="bob@sales.example")
    await side.begun("contact", fields=FIELDS)
    person = await side.of("contact", record)
    assert (await side.api(DELETE, by={"email": "ada@sales.example"}))["errors"] == []
    side.fake.merge(side.name("contact"), master, record)
    side.fake.advance(60)
    for _ in range(2):
        one = await side.ran()
        assert (one["state"], one["lastError"]) == ("IDLE", None)
    assert (await side.of("contact", master))["id"] == person["id"]


async def test_a_part_that_is_too_much_for_the_store_is_tried_in_smaller_ones(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G a store that gives up on more than ten persons at once W a pass is put off T it gets on with fewer, later."""
    for number in range(40):
        side.add("contact", first="Ada", last=f"Love{number}", email=f"ada{number}@sales.example")
    written, sizes = Chunk._written, list[int]()

    async def slow(chunk: Any, gone: Any, writes: Any, **more: Any) -> None:
        sizes.append(len(dict(writes).get("persons", ())))
        if sizes[-1] > 10:
            raise unavailable()
        await written(chunk, gone, writes, **more)

    monkeypatch.setattr(pull, "PART_RECORDS", 40)
    monkeypatch.setattr(Chunk, "_written", slow)
    pauses = list[int]()

    def at_once(failures: int) -> float:
        pauses.append(failures)
        return 0.0

    monkeypatch.setattr(worker, "_backoff", at_once)
    one = await side.begun("contact", fields=FIELDS)
    assert (one["state"], one["counts"]["created"], one["counts"]["pulled"]) == ("IDLE", 40, 40)
    assert pauses == [0, 1]
    assert sizes.count(40) == sizes.count(20) == 1
    assert sum(size for size in sizes if size <= 10) == 40


@pytest.mark.parametrize("entity", ["contact", "lead"])
async def test_who_was_deleted_does_not_come_back_by_a_record_that_was_made_before(side: Side, entity: str) -> None:
    """W a record names somebody who is deleted before it is read T nobody is made of it; of one that is newer, yes."""
    await side.begun("contact", "lead", fields=FIELDS)
    made = await side.api.made(lastName="Lovelace", emails=[{"address": "ada@sales.example"}])
    record = side.add(entity, last="Lovelace", email="Ada@sales.example")
    assert (await side.api(DELETE, by={"id": made["id"]}))["errors"] == []
    one = await side.ran()
    assert await side.person(email="ada@sales.example") is None
    assert one["issues"]["nodes"] == []
    side.fake.advance(3600)
    side.edit(entity, record, first="Ada")
    one = await side.ran(full=True)
    assert await side.person(email="ada@sales.example") is None
    assert one["issues"]["nodes"] == []
    newer = side.add(entity, last="Lovelace", email="ada@sales.example")
    await side.ran()
    assert (await side.of(entity, newer))["lastName"] == "Lovelace"
    assert "ada@" not in str(await side.api.service.store.engine.find("erased", {})).lower()


async def test_a_record_that_names_somebody_else_as_well_is_theirs(side: Side) -> None:
    """W of two whom a record names one is deleted before it is read T it is the other's."""
    await side.begun("contact", fields={**FIELDS, "phone": "phone"})
    made = await side.api.made(lastName="Lovelace", emails=[{"address": "ada@sales.example"}])
    other = await side.api.made(lastName="King", phones=[{"number": "+43 664 1234567"}])
    record = side.add("contact", last="King", email="ada@sales.example", phone="+43 664 1234567")
    assert (await side.api(DELETE, by={"id": made["id"]}))["errors"] == []
    await side.ran()
    assert (await side.of("contact", record))["id"] == other["id"]


async def test_who_is_deleted_while_their_record_is_met_does_not_come_back(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W a person is deleted behind the plan of a pass that has just found their record T nobody is made of it."""
    monkeypatch.setattr(line, "RETRY_SECONDS", 0.0)
    await side.begun("contact", fields=FIELDS)
    made = await side.api.made(lastName="Lovelace", emails=[{"address": "ada@sales.example"}])
    side.add("contact", last="Lovelace", email="ada@sales.example")

    once(monkeypatch, Chunk, "_settled", deletion(side, id=made["id"]))
    await side.ran()
    one = await side.ran()
    assert await side.person(email="ada@sales.example") is None
    assert one["issues"]["nodes"] == []


async def test_it_is_said_once_that_an_account_has_marks(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """W somebody who has sent an event is deleted where there is a CRM T it is looked up once whether that is known."""
    await side.connected()
    await side.api(DEFINE, input={"id": "seen", "title": "Seen", "fields": []})
    made = await side.api.made(emails=[{"address": "ada@sales.example"}])
    await side.api.track({"person": {"id": made["id"]}, "type": "seen", "eventId": "e1"})
    find, asked = CountedUnit.find, list[Any]()

    async def noted(self: CountedUnit, collection: str, where: Any, **options: Any) -> Any:
        asked.append(where)
        return await find(self, collection, where, **options)

    monkeypatch.setattr(CountedUnit, "find", noted)
    assert (await side.api(DELETE, by={"id": made["id"]}))["errors"] == []
    assert asked.count({"_id": key_of(side.api.account)}) == 1


@pytest.mark.parametrize("known", ["not", "linked", "deleted there"])
async def test_who_is_deleted_behind_the_look_of_a_pass_does_not_come_back(
    side: Side, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    """W a person is deleted when a pass has looked at their record, and not planned yet T nobody is made, or kept."""
    await side.begun("contact", fields=FIELDS)
    made = await side.api.made(lastName="Lovelace", emails=[{"address": "ada@sales.example"}])
    if known == "not":
        side.add("contact", last="Lovelace", email="ada@sales.example")
    else:
        await side.ran()
        assert (await side.api(UPDATE, by={"id": made["id"]}, input={"city": "Graz"}))["errors"] == []
        await side.ran()
        (record,) = side.records("contact")
        if known == "linked":
            side.edit("contact", record["id"], city="Linz", first="<b>")
        else:
            side.delete("contact", record["id"])
            await side.ran()
            side.undelete("contact", record["id"], last="Lovelace", email="king@sales.example")

    once(monkeypatch, Pull, "_send", deletion(side, id=made["id"]))
    await side.ran()
    one = await side.ran()
    assert ((await side.api(PERSONS))["nodes"], one["issues"]["nodes"]) == ([], [])
    (kept,) = await Bound(side.api.service.store.engine, LINKS, side.api.account).find({})
    assert (kept["state"], {"base", "sent", "open", "keep"} & kept.keys()) == ("erased", set())
