"""Who holds an import: one of all who ask, and nobody by a lease that is over."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.changes.model import Ask
from app.changes.service import Changes
from app.core import clock
from app.core.errors import unavailable
from app.imports import job
from app.imports import store as kept
from app.imports.mapping import Entry
from app.imports.model import COMMIT, DONE, DRY_RUN, MAPPED, PERSON, REVERTED, REVERTING, RUNNING, Import, RowError
from app.imports.reader import Asker
from app.imports.service import Mapped
from app.imports.store import CHUNKS, JOBS, Lease, Store, failed_row
from app.imports.undo import UNDO_ROWS
from app.mongo.engine import Engine, Group, Insert, Update
from tests.imports.running import place, written
from tests.make import ACTOR

TAKERS = 8
MOST = 70
ACCOUNT = ACTOR.account


async def due(engine: Engine, import_id: str = "imp_1") -> Import:
    """Keep an import that somebody should work on."""
    one = Import(import_id, ACCOUNT, "a.csv", f"upl_{import_id}", PERSON, None, RUNNING, clock.now(), {}, mode=COMMIT)
    store = Store(engine)
    await store.create(one)
    assert await store.change(one, {"due": clock.now()})
    return one


async def expired(engine: Engine) -> None:
    """Let all leases be over."""
    past = clock.now() - timedelta(seconds=1)
    await engine.write(JOBS, [Update({"due": {"$exists": True}}, {"$set": {"due": past}}, many=True)])
    await engine.write(JOBS, [Update({"until": {"$exists": True}}, {"$set": {"until": past}}, many=True)])


async def taken(engine: Engine, one: Import) -> Lease:
    """Take an import that nobody holds."""
    held = await Store(engine).take(ACCOUNT, one.id)
    assert held is not None
    return held[1]


async def test_one_of_many_has_it(engine: Engine) -> None:
    """W many take an import at once T one of them holds it."""
    one = await due(engine)
    found = await asyncio.gather(*[Store(engine).take(ACCOUNT, one.id) for _ in range(TAKERS)])
    assert sum(each is not None for each in found) == 1


async def test_an_account_has_one_import_under_way(engine: Engine) -> None:
    """G one that somebody works on W another is taken T it waits, until the first is over."""
    store, first, second = Store(engine), await due(engine), await due(engine, "imp_2")
    lease = await taken(engine, first)
    assert await store.take(ACCOUNT, second.id) is None
    assert await store.end(lease, {"state": DONE})
    assert await store.take(ACCOUNT, second.id) is not None


async def test_an_old_lease_lets_go_of_nothing(engine: Engine) -> None:
    """G an import that was taken over W whoever had it lets go T the new one holds it, and no other of the account."""
    store, one, other = Store(engine), await due(engine), await due(engine, "imp_2")
    old = await taken(engine, one)
    await expired(engine)
    new = await taken(engine, one)
    assert not await store.let_go(old)
    assert not await store.renew(old)
    assert not await store.end(old, {"state": DONE})
    assert await store.take(ACCOUNT, other.id) is None
    assert await store.renew(new)
    assert await store.let_go(new)
    assert await store.take(ACCOUNT, one.id) is not None


async def test_an_old_lease_begins_nothing(engine: Engine) -> None:
    """W whoever lost an import begins it T the failed rows that the new one has told stay."""
    store, one = Store(engine), await due(engine)
    old = await taken(engine, one)
    await expired(engine)
    new = await taken(engine, one)
    assert await store.begin(one, new, {"prepared": True})
    await engine.write(CHUNKS, [failed_row(one, RowError("0", 2, None, "Wrong.", {}))])
    assert not await store.begin(one, old, {"next": 0})
    assert await engine.count(CHUNKS, {}) == 1


async def test_any_number_of_failed_rows_goes_before_a_run(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """W an earlier run had failed rows T a new one begins without them, part by part; the ledger stays."""
    monkeypatch.setattr(kept, "PART_ROWS", 2)
    store, one = Store(engine), await due(engine)
    lease = await taken(engine, one)
    rows = [failed_row(one, RowError(f"{number}", 2, None, "Wrong.", {})) for number in range(5)]
    ledger = {"_id": f"{one.id}:l:0", "account": ACCOUNT, "rows": []}
    await engine.write(CHUNKS, [*rows, Insert(ledger)])
    assert await store.begin(one, lease, {"prepared": True})
    assert [each["_id"] for each in await engine.find(CHUNKS, {})] == [ledger["_id"]]
    assert [each["prepared"] for each in await engine.find(JOBS, {"_id": one.id})] == [True]


async def test_what_is_over_is_written_no_more(engine: Engine) -> None:
    """W a run has ended T its lease finds the import no more."""
    store, one = Store(engine), await due(engine)
    lease = await taken(engine, one)
    assert await store.end(lease, {"state": DONE})
    assert await engine.find(JOBS, lease.where()) == []
    assert not await store.end(lease, {"state": MAPPED})


async def test_a_dry_run_stops_while_it_looks_for_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """W somebody stops a dry run in its first pass T it is mapped as before, and nothing is counted."""
    here = await place()
    rows = [("", f"p{n}@b.example", "", "", "", "1", "") for n in range(6)]
    one = await here.mapped(written(PERSON, rows), PERSON, None, "REWRITE")
    monkeypatch.setattr(job, "CHUNK_ROWS", 2)
    asks, stopped = Asker.asks, list[Any]()

    async def stopping(asker: Asker, *given: Any) -> Any:
        if not stopped:
            stopped.append(True)
            await here.engine.write(JOBS, [Update({"_id": one.id}, {"$set": {"cancel": True}})])
        return await asks(asker, *given)

    monkeypatch.setattr(Asker, "asks", stopping)
    over = await here.ran(one, DRY_RUN)
    assert (over.state, over.counts.processed, over.cancel) == (MAPPED, 0, False)


async def test_a_unit_that_is_too_much_for_the_store_is_tried_in_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """G a store that gives up on more than 70 rows W an import and its undo are put off T they get on by fewer."""
    here = await place()
    rows = [("", f"p{n}@b.example", "", "", "", "1", "") for n in range(600)]
    one = await here.mapped(written(PERSON, rows), PERSON, None, "REWRITE")
    write_unit, sizes = here.engine.write_unit, list[int]()

    async def slow(groups: Sequence[Group]) -> None:
        sizes.append(len(dict(groups).get("persons", ())))
        if sizes[-1] > MOST:
            raise unavailable()
        await write_unit(groups)

    monkeypatch.setattr(here.engine, "write_unit", slow)
    now = await here.ran(one)
    for _ in range(3):
        assert now.state == RUNNING
        now = await here.gone_on(one)
    assert (now.state, now.counts.created) == (DONE, len(rows))
    assert all(size <= MOST for size in sizes[-len(rows) // MOST :])
    parts, sealed = list[int](), Changes.sealed

    async def slowly(changes: Changes[Any], asks: Sequence[Ask[Any]], seal: Any) -> None:
        parts.append(len(asks))
        if len(asks) > UNDO_ROWS // 2:
            raise unavailable()
        await sealed(changes, asks, seal)

    monkeypatch.setattr(Changes, "sealed", slowly)
    now = await here.reverted(now)
    assert (now.state, parts) == (REVERTING, [len(rows) % 62, 62])
    now = await here.gone_on(now)
    assert (now.state, now.undo and now.undo.deleted, parts[2]) == (REVERTED, len(rows), UNDO_ROWS // 2)
    assert await here.findings() == []


async def test_attributes_are_made_with_ids_of_their_own() -> None:
    """W several columns make an attribute T each is one, the values are there, and the audit finds nothing."""
    here = await place()
    text = "email,level,tags,externalId,phone,firstName,city,customAttributes.level\na@b.example,1,,,,,blue,3\n"
    one = await here.mapped(text, PERSON, None, "REWRITE")
    entries = [
        Entry("email", "email"),
        Entry("city", "customAttributes.color", None, "STRING"),
        Entry("level", "customAttributes.size", None, "INTEGER"),
    ]
    one = await here.imports.map(ACTOR, one.id, Mapped(entries, "REWRITE", None))
    done = await here.ran(replace(one, mode=None))
    assert done.state == DONE
    (person,) = (await here.profiles(PERSON)).values()
    assert person["values"] == {"color": "blue", "size": 1}
    assert await here.findings() == []
