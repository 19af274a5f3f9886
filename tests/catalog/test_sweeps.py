"""Sweeps: what a deletion leaves behind is cleared bit by bit, and nothing is forgotten."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.catalog import sweeps
from app.catalog.sweeps import Sweeps, later
from app.core import clock
from app.mongo.counted import Counted
from app.mongo.engine import Document, Engine, Insert
from tests.api import ATTRIBUTE, Api


async def test_a_deleted_attribute_is_invisible_at_once_and_swept_later(api: Api, engine: Engine) -> None:
    """Plain values, list items and what filters ride on."""
    await api(ATTRIBUTE, input={"name": "size", "type": "STRING"})
    await api(ATTRIBUTE, input={"name": "list", "type": "LIST", "itemFields": [{"name": "x", "type": "STRING"}]})
    await api.made(externalId="a", customAttributes={"size": "oilu", "list": [{"x": "oilo"}]})
    for name in ("size", "list"):
        assert await api.codes("mutation($n: String!) { deleteAttribute(name: $n) { errors { code } } }", n=name) == []
    assert (await api('{ person(by: {externalId: "a"}) { customAttributes } }'))["customAttributes"] == {}
    await api.service.services.catalog.sweeps.sweep()
    (kept,) = await engine.find("persons", {})
    assert "oil" not in str(kept)
    assert set(kept) & {"a", "l"} == set() or (kept.get("a", {}), kept.get("l", {})) == ({}, {})
    assert all("att_" not in word for word in kept["words"])
    assert await engine.find(sweeps.COLLECTION, {"due": {"$lte": clock.now()}}) == []


async def test_a_deleted_tag_leaves_persons_and_companies(api: Api, engine: Engine) -> None:
    """Also the company's."""
    await api.made(externalId="a", tags=["vip", "b"])
    await api('mutation { createCompany(input: {name: "Acme", tags: ["VIP"]}) { company { id } } }')
    assert await api.codes('mutation { deleteTag(name: "Vip") { errors { code } } }') == []
    await api.service.services.catalog.sweeps.sweep()
    assert [len(one["tags"]) for one in await engine.find("persons", {})] == [1]
    assert [one.get("tags", []) for one in await engine.find("companies", {})] == [[]]


async def test_more_than_one_bite_is_swept_in_several(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """And sweeps beyond one look as well."""
    monkeypatch.setattr(sweeps, "SWEEP_DOCUMENTS", 3)
    monkeypatch.setattr(sweeps, "SWEEPS_AT_ONCE", 2)
    persons = [Insert({"_id": f"p{n}", "account": "acc_1", "tags": [f"t{n % 5}"]}) for n in range(20)]
    await engine.write("persons", [*persons, Insert({"_id": "other", "account": "acc_2", "tags": ["t1"]})])
    await engine.write(sweeps.COLLECTION, [later("acc_1", sweeps.TAG, [f"t{n}"]) for n in range(5)])
    assert await Sweeps(engine).sweep() == 5
    assert sorted(len(one["tags"]) for one in await engine.find("persons", {})) == [0] * 20 + [1]


@pytest.mark.parametrize("said", [None, sweeps.sayable("att_x", "customAttributes", "API", clock.EPOCH)])
async def test_what_no_index_leads_to_is_looked_for_window_by_window(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any] | None
) -> None:
    """Few values of a list among many profiles: no read looks at more of these than it can in its time."""
    monkeypatch.setattr(sweeps, "PASSED_DOCUMENTS", 4)
    monkeypatch.setattr(sweeps, "SWEEP_DOCUMENTS", 2)
    monkeypatch.setattr(sweeps, "TOLD_DOCUMENTS", 2)
    having = {3, 4, 5, 6, 19, 29}
    persons = [
        Insert({"_id": f"p{n:02}", "account": "acc_1", "subjects": ["s"], "l": {"x": [1]} if n in having else {}})
        for n in range(30)
    ]
    await engine.write("persons", [*persons, Insert({"_id": "p03b", "account": "acc_2", "l": {"x": [1]}})])
    await engine.write(sweeps.COLLECTION, [later("acc_1", sweeps.PERSON_ATTRIBUTE, ["att_x", "l.x"], said=said)])
    looked, told = list[int](), list[str]()

    async def find(collection: str, where: dict[str, Any], **options: Any) -> list[Document]:
        if collection == "persons" and "account" in where:
            looked.append(len(await engine.find("persons", {"_id": where["_id"]})))
        return await engine.find(collection, where, **options)

    async def tell(_account: str, _collection: str, _said: Document, held: Sequence[Document]) -> None:
        told.extend(one["_id"] for one in held)

    async def at_once(_: float) -> None:
        pass

    watched = SimpleNamespace(find=find, find_each=engine.find_each, write=engine.write)
    sweeper = Sweeps(cast("Engine", watched), pause=at_once)
    sweeper.tell = tell
    assert await sweeper.sweep() == 1
    left = await engine.find("persons", {"l.x": {"$exists": True}})
    assert [one["_id"] for one in left] == ["p03b"]
    assert max(looked) == sweeps.PASSED_DOCUMENTS
    assert sorted(told) == ([f"p{n:02}" for n in sorted(having)] if said else [])


async def test_many_that_are_told_hold_up_nobody(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """G much to tell for an account W another deletes a tag, a third one a person T bites by turns, erasure first."""
    monkeypatch.setattr(sweeps, "TOLD_DOCUMENTS", 2)
    many, few = [f"c{number}" for number in range(20)], {"subjects": ["p"], "state": "active", "tags": ["t"]}
    members: list[dict[str, Any]] = [
        {"account": "acc_1", "companies": [{"id": company}], **few} for company in many for _ in range(2)
    ]
    persons = [*members, *({"account": "acc_2", **few} for _ in range(6))]
    await engine.insert("persons", [{"_id": f"per_{number:02}", **one} for number, one in enumerate(persons)])
    said = sweeps.sayable("x", "tags", "API", clock.now() - timedelta(hours=1))
    noted = [later("acc_1", sweeps.MEMBERS, [company], said=said) for company in many]
    await engine.write(sweeps.COLLECTION, [*noted, later("acc_2", sweeps.TAG, ["t"], said=said)])
    told, left = list[str](), list[int]()

    async def tell(account: str, _: str, __: Any, held: Sequence[Any]) -> None:
        """Somebody is erased while the first ones are told."""
        if not told:
            await engine.insert("events", [{"_id": "p:1", "account": "acc_3", "subject": "p", "at": clock.now()}])
            await engine.write(sweeps.COLLECTION, [later("acc_3", sweeps.EVENTS, ["p"])])
        told.append(account)
        left.append(await engine.count("events", {}))
        assert len(held) == 2

    sweeper = Sweeps(engine, pause=lambda _: asyncio.sleep(0))
    sweeper.tell = tell
    assert await sweeper.sweep() == 22
    assert told == [*["acc_1", "acc_2"] * 3, *["acc_1"] * 17]
    assert left == [1, *[0] * 22]


async def test_a_look_that_finds_nothing_is_one_call(engine: Engine) -> None:
    """However often a process looks."""
    counted = Counted(engine)
    assert await Sweeps(counted).sweep() == 0
    assert sum(counted.calls.made.values()) == 1


async def test_who_runs_is_woken(engine: Engine) -> None:
    """Without waiting for the next look."""
    sweeper = Sweeps(engine)
    running = asyncio.create_task(sweeper.run())
    await engine.write(sweeps.COLLECTION, [later("acc_1", sweeps.TAG, ["t"])])
    sweeper.wake()
    async with asyncio.timeout(10):
        while await engine.find(sweeps.COLLECTION, {}):
            sweeper.wake()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Busy(Sweeps):
    """A sweep during whose first round something is noted that it doesn't see."""

    rounds = 0

    async def sweep(self) -> int:
        """Count the rounds."""
        self.rounds += 1
        if self.rounds == 1:
            self.wake()
        return 0


async def test_who_is_woken_while_it_sweeps_sweeps_again(engine: Engine) -> None:
    """At once: the news is not taken for old."""
    sweeper = Busy(engine)
    running = asyncio.create_task(sweeper.run())
    async with asyncio.timeout(10):
        while sweeper.rounds < 2:
            await asyncio.wait([running], timeout=0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
