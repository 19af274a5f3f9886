"""A counted store is the store: it answers the same, and what it was asked is known, also by whom."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

import pytest

from app.core.errors import Fault
from app.core.tally import TALLY, Tally
from app.mongo.counted import KINDS, Counted
from app.mongo.engine import Clash, Engine, Insert, Unit
from app.mongo.indexes import INDEXES
from app.mongo.twin import Twin
from tests.mongo.test_coalesce import Counting


class Spans:
    """A trace that notes its parts: begun, and how they ended."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    @contextmanager
    def part(self, name: str, attributes: dict[str, str]) -> Iterator[None]:
        """Note a part."""
        self.parts.append(f"{name} {attributes['db.collection.name']}")
        yield

    def end(self, tally: Tally, name: str, status: int, codes: Sequence[str]) -> None:
        """Note the end."""
        self.parts.append(f"{tally.kind} {name} {status} {codes}")


@pytest.fixture
async def tally() -> AsyncIterator[Tally]:
    """Give an operation whose task this is."""
    one = Tally(0.0)
    token = TALLY.set(one)
    yield one
    TALLY.reset(token)


async def used(store: Engine) -> None:
    """Make a call of each kind, and two within a unit."""
    await store.insert("things", [{"_id": "a", "account": "x"}])
    await store.write("things", [Insert({"_id": "b", "account": "x"})])
    assert len(await store.find("things", {}, sort=[("_id", 1)], limit=1)) == 1
    assert len(await store.find_each("things", [{"_id": "a"}, {"_id": "z"}], sort=[("_id", 1)], limit=1)) == 2
    assert await store.count("things", {"account": "x"}) == 2

    async def work(unit: Unit) -> int:
        assert len(await unit.find("things", {"_id": "a"})) == 1
        return await unit.write("things", [Insert({"_id": "c"})])

    assert await store.unit(work) == 1
    await store.write_unit([("things", [Insert({"_id": "d"})])])


async def test_calls_are_counted_by_collection_and_kind(engine: Engine) -> None:
    """A unit, or groups as one, counts beside what is done in it; indexes and pings are no calls of anybody."""
    store = Counted(engine)
    await used(store)
    await store.ping()
    await store.ensure({})
    assert store.kind == engine.kind
    assert await store.indexes("things") == await engine.indexes("things")
    assert store.calls.made == {
        ("things", "insert"): 1,
        ("things", "write"): 3,
        ("things", "find"): 2,
        ("things", "find_each"): 1,
        ("things", "count"): 1,
        ("-", "unit"): 2,
    }
    counted = {kind: sum(spread.counts) for kind, spread in store.calls.seconds.items()}
    assert counted == {"insert": 1, "write": 2, "find": 2, "find_each": 1, "count": 1, "unit": 2, "by_day": 0}
    assert store.calls.seconds["unit"].total > 0


async def test_an_operation_knows_its_calls(engine: Engine, tally: Tally) -> None:
    """Also those that its tasks make, and none of anybody else."""
    store = Counted(engine)
    await used(store)
    await asyncio.gather(store.find("things", {}), store.find("things", {}))
    assert tally.calls == 12
    TALLY.set(None)
    await store.find("things", {})
    assert tally.calls == 12


async def test_each_call_is_a_part_of_the_trace(tally: Tally) -> None:
    """Where the operation has one."""
    spans = Spans()
    tally.trace = spans
    await used(Counted(Twin()))
    names = ["insert things", "write things", "find things", "find_each things", "count things"]
    names += ["unit -", "find things", "write things", "unit -"]
    assert spans.parts == names


async def test_a_store_that_is_away_is_counted_as_such() -> None:
    """What others took first is an answer like any other."""
    twin = Counting()
    store, twin.away = Counted(twin), True
    with pytest.raises(Fault):
        await store.find("things", {})
    with pytest.raises(Clash):
        await store.write("things", [Insert({"_id": "a"}), Insert({"_id": "a"})])
    assert store.calls.failed == {(kind,): int(kind == "find") for kind in KINDS}


async def test_days_and_news_come_through(engine: Engine) -> None:
    """As from the store itself."""
    store = Counted(engine)
    await store.ensure({"events": INDEXES["events"]})
    hint = INDEXES["events"][0]
    assert await store.by_day("events", {"account": "x"}, "occurredAt", hint=hint) == {}
    async with asyncio.timeout(10), store.watch(["things"], None) as batches:
        await anext(batches)
        await store.insert("things", [{"_id": "new"}])
        assert [change.id for change in (await anext(batches)).changes] == ["new"]
