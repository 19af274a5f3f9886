"""What every store promises, on each of them."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from app.mongo.engine import (
    LAPSE,
    Clash,
    Delete,
    Document,
    Engine,
    Group,
    HistoryLost,
    Insert,
    Replace,
    Stale,
    Unit,
    Update,
)
from app.mongo.indexes import INDEXES, check
from app.mongo.server import Server


async def put(engine: Engine, *documents: Document) -> None:
    """Insert documents into `things`."""
    await engine.write("things", [Insert(document) for document in documents])


async def test_finds_in_order_and_up_to_a_limit(any_engine: Engine) -> None:
    """A sort, a limit and a projection hold."""
    await put(any_engine, *({"_id": str(i), "n": i, "x": "y"} for i in range(5)))
    found = await any_engine.find("things", {"n": {"$gt": 0}}, sort=(("n", -1),), limit=2, projection={"n": 1})
    assert found == [{"_id": "4", "n": 4}, {"_id": "3", "n": 3}]
    assert await any_engine.count("things", {"n": {"$gte": 2}}) == 3


async def test_gives_back_what_was_kept(any_engine: Engine) -> None:
    """Times keep their milliseconds, whole numbers their 64 bits."""
    kept = {"_id": "a", "at": datetime(2026, 1, 2, 3, 4, 5, 678000), "n": 2**63 - 1, "f": 0.5, "b": True}  # noqa: DTZ001
    await put(any_engine, kept)
    assert await any_engine.find("things", {"_id": "a"}) == [kept]


async def test_a_taken_id_is_a_clash(any_engine: Engine) -> None:
    """The second document of an id is refused by name."""
    await put(any_engine, {"_id": "a"})
    with pytest.raises(Clash) as clash:
        await put(any_engine, {"_id": "a"})
    assert clash.value.ids == ("a",)


async def test_replacing_what_is_gone_is_stale(any_engine: Engine) -> None:
    """A filter that finds nothing stops the write."""
    await put(any_engine, {"_id": "a", "version": 1})
    await any_engine.write("things", [Replace({"_id": "a", "version": 1}, {"_id": "a", "version": 2})])
    with pytest.raises(Stale):
        await any_engine.write("things", [Replace({"_id": "a", "version": 1}, {"_id": "a", "version": 3})])
    assert (await any_engine.find("things", {}))[0]["version"] == 2


async def test_updates_and_deletes_first_or_all(any_engine: Engine) -> None:
    """`many` reaches all, its absence one."""
    await put(any_engine, *({"_id": str(i), "k": 1} for i in range(3)))
    assert await any_engine.write("things", [Update({"k": 1}, {"$set": {"k": 2}}, many=True)]) == 3
    assert await any_engine.write("things", [Delete({"k": 2})]) == 1
    assert await any_engine.write("things", [Delete({"k": 2}, many=True), Update({"k": 9}, {"$set": {"k": 1}})]) == 2
    await any_engine.write("things", [Update({"_id": "u"}, {"$set": {"k": 5}}, upsert=True)])
    assert await any_engine.find("things", {}) == [{"_id": "u", "k": 5}]


async def test_insert_tells_what_was_there(any_engine: Engine) -> None:
    """What is new goes in, the rest is told by position."""
    assert await any_engine.insert("things", [{"_id": "b"}]) == set()
    assert await any_engine.insert("things", [{"_id": "a"}, {"_id": "b"}, {"_id": "c"}, {"_id": "a"}]) == {1, 3}
    assert await any_engine.insert("things", [{"_id": "b"}]) == {0}
    assert await any_engine.count("things", {}) == 3


async def test_what_must_be_there_to_be_removed_is_stale_without_it(any_engine: Engine) -> None:
    """And nothing of its unit remains; what may be missing is no error."""
    await put(any_engine, {"_id": "a", "version": 2}, {"_id": "b"})
    assert await any_engine.write("things", [Delete({"_id": "none"}), Delete({"_id": "b"}, must=True)]) == 1

    async def work(unit: Unit) -> None:
        await unit.write("things", [Insert({"_id": "c"}), Delete({"_id": "a", "version": 1}, must=True)])

    with pytest.raises(Stale):
        await any_engine.unit(work)
    assert [one["_id"] for one in await any_engine.find("things", {})] == ["a"]


async def test_documents_are_counted_by_day(any_engine: Engine) -> None:
    """In UTC, those that match alone."""
    keys = (("kind", 1), ("at", 1))
    await any_engine.ensure({"things": [keys]})
    moments = (datetime(2026, 1, 1), datetime(2026, 1, 1, 23, 59, 59, 999000), datetime(2026, 1, 2))  # noqa: DTZ001
    await put(any_engine, *[{"_id": str(n), "kind": "x", "at": at} for n, at in enumerate(moments)])
    await put(any_engine, {"_id": "other", "kind": "y", "at": moments[0]})
    found = await any_engine.by_day("things", {"kind": "x"}, "at", hint=keys)
    assert found == {"2026-01-01": 2, "2026-01-02": 1}


async def test_an_index_that_lapses_is_one(any_engine: Engine) -> None:
    """The server takes documents away at the moment that stands in them."""
    await any_engine.ensure({"things": [LAPSE]})
    assert list(LAPSE) in [list(one) for one in await any_engine.indexes("things")]
    if isinstance(any_engine, Server):
        (made,) = [
            one
            for one in (await any_engine._collection("things").index_information()).values()
            if one["key"] == list(LAPSE)
        ]
        assert made["expireAfterSeconds"] == 0


async def test_a_unit_is_all_or_nothing(any_engine: Engine) -> None:
    """A clash at the end takes back the beginning."""
    await put(any_engine, {"_id": "a", "n": 1}, {"_id": "gone"})

    async def work(unit: Unit) -> None:
        await unit.write("others", [Insert({"_id": "x"})])
        await unit.write("things", [Update({"_id": "a"}, {"$set": {"n": 2}}), Delete({"_id": "gone"})])
        assert (await unit.find("things", {"_id": "a"}))[0]["n"] == 2
        await unit.write("things", [Insert({"_id": "a"})])

    with pytest.raises(Clash):
        await any_engine.unit(work)
    assert await any_engine.find("others", {}) == []
    assert await any_engine.find("things", {}, sort=(("_id", 1),)) == [{"_id": "a", "n": 1}, {"_id": "gone"}]


async def test_groups_are_one_unit(any_engine: Engine) -> None:
    """All of them, or nothing where the last one clashes or is stale."""
    await put(any_engine, {"_id": "a", "n": 1})
    counted: Group = ("things", [Update({"_id": "a"}, {"$inc": {"n": 1}}, must=True)])
    await any_engine.write_unit([("others", [Insert({"_id": "x"})]), counted])
    assert await any_engine.find("things", {}) == [{"_id": "a", "n": 2}]
    with pytest.raises(Clash) as clash:
        await any_engine.write_unit([counted, ("others", [Insert({"_id": "y"}), Insert({"_id": "x"})])])
    assert clash.value.ids == ("x",)
    with pytest.raises(Stale):
        await any_engine.write_unit([counted, ("others", [Delete({"_id": "y"}, must=True)])])
    assert await any_engine.find("things", {}) == [{"_id": "a", "n": 2}]
    assert await any_engine.find("others", {}) == [{"_id": "x"}]


async def test_parallel_groups_on_one_document_all_count(any_engine: Engine) -> None:
    """A conflict is repeated until it holds, as that of any unit."""
    await put(any_engine, {"_id": "a", "n": 0})
    group: Group = ("things", [Update({"_id": "a"}, {"$inc": {"n": 1}}, must=True)])
    await asyncio.gather(*(any_engine.write_unit([group]) for _ in range(4)))
    assert (await any_engine.find("things", {}))[0]["n"] == 4


async def test_parallel_units_on_one_document_all_count(any_engine: Engine) -> None:
    """A conflict is repeated until it holds."""
    await put(any_engine, {"_id": "a", "n": 0})

    async def work(unit: Unit) -> int:
        return await unit.write("things", [Update({"_id": "a"}, {"$inc": {"n": 1}})])

    assert await asyncio.gather(*(any_engine.unit(work) for _ in range(4))) == [1] * 4
    assert (await any_engine.find("things", {}))[0]["n"] == 4


async def test_parallel_inserts_of_one_id_have_one_winner(any_engine: Engine) -> None:
    """The `_id` is the only uniqueness there is."""

    async def work(unit: Unit) -> bool:
        await unit.write("things", [Insert({"_id": "a"})])
        return True

    outcomes = await asyncio.gather(*(any_engine.unit(work) for _ in range(8)), return_exceptions=True)
    assert outcomes.count(True) == 1
    assert sum(isinstance(one, Clash) for one in outcomes) == 7


async def follow(engine: Engine, after: str | None, enough: int) -> tuple[list[Any], str]:
    """Read `enough` changes behind a position; return their ids and the position behind them."""
    seen: list[Any] = []
    async with engine.watch(["things"], after) as batches:
        async for batch in batches:
            seen += [change.id for change in batch.changes]
            if len(seen) >= enough:
                return seen, batch.token
    raise AssertionError


async def test_a_watch_goes_on_where_it_stood(any_engine: Engine) -> None:
    """Nothing is missed and nothing repeated between two watches."""
    await put(any_engine, {"_id": "before"})
    _, start = await follow(any_engine, None, 0)
    await put(any_engine, {"_id": "a"}, {"_id": "b"})
    await any_engine.write("elsewhere", [Insert({"_id": "no"})])
    seen, token = await follow(any_engine, start, 2)
    await put(any_engine, {"_id": "c"})
    later, end = await follow(any_engine, token, 1)
    assert (seen, later) == (["a", "b"], ["c"])
    assert start < token < end


async def test_a_watch_tells_what_happened(any_engine: Engine) -> None:
    """Inserts come whole, deletes by id alone."""
    _, start = await follow(any_engine, None, 0)
    await put(any_engine, {"_id": "a", "n": 1})
    await any_engine.write("things", [Replace({"_id": "a"}, {"_id": "a", "n": 2}), Delete({"_id": "a"})])
    changes: list[tuple[str, Any]] = []
    async with any_engine.watch(["things"], start) as batches:
        async for batch in batches:
            changes += [(change.kind, change.document) for change in batch.changes]
            if len(changes) >= 3:
                break
    assert changes == [("insert", {"_id": "a", "n": 1}), ("replace", {"_id": "a", "n": 2}), ("delete", None)]


@pytest.mark.parametrize("token", ["", "nonsense", "8263", "00", "9999999999999999"])
async def test_a_foreign_position_is_lost_history(any_engine: Engine, token: str) -> None:
    """A position that was never one is said so."""
    with pytest.raises(HistoryLost):
        await follow(any_engine, token, 1)


async def test_indexes_are_declared_and_checked(any_engine: Engine) -> None:
    """The check names what is missing, and nothing once it is there."""
    await any_engine.ensure(INDEXES)
    assert await check(any_engine) == []
    await any_engine.ping()
