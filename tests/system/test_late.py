"""Deletions beside writes that are under way, and rows of one call in their order: nothing stays, nothing is lost."""

from typing import Any

from app.catalog import sweeps
from app.catalog.sweeps import Sweeps
from app.core import clock
from app.mongo.engine import Update
from tests.api import COMPANY, DEFINE, FIND, TRACK, UPDATE
from tests.system.pair import Pair
from tests.system.test_races import DELETE, DISSOLVE, LINK, TAG, UPSERT, made

DEFINED = "mutation($n: String!) { defineAttribute(input: {name: $n, type: STRING}) { errors { code } } }"
UNDEFINED = "mutation($n: String!) { deleteAttribute(name: $n) { errors { code } } }"
UNTAGGED = "mutation($n: String!) { deleteTag(name: $n) { errors { code } } }"


async def swept(pair: Pair) -> None:
    """Do all sweeps that are noted, as if their time had come."""
    later = {"$set": {"due": clock.now()}}
    await pair.engine.write(sweeps.COLLECTION, [Update({}, later, many=True)])
    await Sweeps(pair.engine).sweep()


async def test_rows_of_one_call_work_in_their_order(pair: Pair) -> None:
    """W the last of 1,000 rows changes the person of the first T the last row counts."""
    rows: list[dict[str, Any]] = [{"externalId": f"r{n}"} for n in range(1000)]
    for n in range(8):
        rows[0], rows[-1] = {"externalId": f"x{n}", "firstName": "First"}, {"externalId": f"x{n}", "firstName": "Last"}
        results = (await pair.ask(n % 2, UPSERT, rows=rows))["results"]
        assert (results[0]["status"], results[-1]["status"]) == ("CREATED", "UPDATED")
        assert (await pair.ask(0, FIND, by={"externalId": f"x{n}"}))["firstName"] == "Last"


async def test_a_company_that_goes_away_keeps_no_member(pair: Pair) -> None:
    """W persons are linked while the company is deleted T each is refused or unlinked, no link dangles."""
    await made(pair, *[{"externalId": f"p{n}"} for n in range(20)])
    for n in range(12):
        await pair.ask(0, COMPANY, input={"name": f"C{n}"})
        by = {"name": f"C{n}"}
        links: list[Any] = [(LINK, {"by": by, "persons": [{"externalId": f"p{one}"}]}) for one in range(20)]
        await pair.together([*links[:10], (DISSOLVE, {"by": by}), *links[10:]])
    assert await pair.findings() == []


async def test_who_is_deleted_leaves_no_event(pair: Pair) -> None:
    """W events are sent for persons while they are deleted T only the deletion is told, nothing else stays."""
    await pair.ask(0, DEFINE, input={"id": "paid", "title": "Paid"})
    ids = await made(pair, *[{"externalId": f"p{n}"} for n in range(40)])
    wanted: list[Any] = []
    for one in ids:
        event = {"events": [{"person": {"id": one}, "type": "paid"}], "atomic": False}
        wanted += [(TRACK, event), (TRACK, event), (DELETE, {"by": {"id": one}}), (TRACK, event)]
    await pair.together(wanted)
    await swept(pair)
    assert {one["type"] for one in await pair.engine.find("events", {})} == {"personDeleted"}


async def test_a_definition_that_goes_away_keeps_no_value(pair: Pair) -> None:
    """W values and tags are written while their definitions are deleted T none stays on a document."""
    ids = await made(pair, *[{"externalId": f"p{n}"} for n in range(30)])
    for _ in range(4):
        await pair.ask(0, DEFINED, n="size")
        sizes: list[Any] = [(UPDATE, {"by": {"id": one}, "input": {"customAttributes": {"size": "L"}}}) for one in ids]
        tags: list[Any] = [(TAG, {"ids": [one], "add": ["hot"]}) for one in ids]
        await pair.together([*sizes[:10], (UNDEFINED, {"n": "size"}), *sizes[10:]])
        await pair.together([*tags[:10], (UNTAGGED, {"n": "hot"}), *tags[10:]])
        await pair.together([(UNTAGGED, {"n": "hot"})])
    await swept(pair)
    kept = {one["_id"] for name in ("tags", "attributes") for one in await pair.engine.find(name, {})}
    held = [{*one.get("tags", ()), *one.get("a", ())} for one in await pair.engine.find("persons", {})]
    assert [one for one in held if one - kept] == []


async def test_a_value_that_was_acknowledged_is_there(pair: Pair) -> None:
    """W an attribute is defined anew at one process, then written at the other T the value is kept or refused."""
    await made(pair, {"externalId": "x"})
    by = {"externalId": "x"}
    for n in range(60):
        await pair.ask(0, DEFINED, n="size")
        assert (await pair.ask(1, UPDATE, by=by, input={"customAttributes": {"size": "old"}}))["errors"] == []
        await pair.ask(0, UNDEFINED, n="size")
        await pair.ask(0, DEFINED, n="size")
        payload = await pair.ask(1, UPDATE, by=by, input={"customAttributes": {"size": f"{n}"}})
        shown = (await pair.ask(0, FIND, by=by))["customAttributes"]
        assert (payload["errors"], shown) == ([], {"size": f"{n}"})
        await pair.ask(0, UNDEFINED, n="size")


async def test_an_owner_that_is_named_is_there(pair: Pair) -> None:
    """W a row of an atomic call has the email of a person that an earlier row would make T nobody is named."""
    await made(pair, {"externalId": "p"})
    new = {"emails": [{"address": "new@x.example"}]}
    results = (await pair.ask(0, UPSERT, rows=[new, {"externalId": "p", **new}], atomic=True))["results"]
    assert [one["errors"][0]["existingId"] for one in results] == [None, None]
