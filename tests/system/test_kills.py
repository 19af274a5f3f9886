"""kill -9 of one of two processes in the middle of batches: what was acknowledged is there, one unit is whole.

And in the middle of a sweep: the other one goes on with it.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.catalog import sweeps
from app.core import clock
from app.mongo.engine import Update
from tests.api import DEFINE, TRACK
from tests.mongo.real import RealMongo
from tests.system.pair import Pair, forgetful
from tests.system.test_late import UNTAGGED
from tests.system.test_races import MATCH, UPSERT

WRITERS = 3
ACKNOWLEDGED = 4
ROWS = 1000
EVENTS = 500
PEOPLE = 20
TRANSACTION_SECONDS = 2
AGAIN_SECONDS = 60

Batch = tuple[int, int]


@pytest.fixture(scope="module")
async def both(mongo: RealMongo, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Give two processes on one database."""
    async with forgetful(mongo, tmp_path_factory.mktemp("kills"), TRANSACTION_SECONDS) as one:
        yield one


@pytest.fixture
async def pair(both: Pair, tmp_path: Path) -> Pair:
    """Give them with an empty account; the first is there again if it was killed."""
    if both.served[0].process.poll() is not None:
        await both.revive(0, tmp_path)
    await both.cleared()
    await both.account()
    return both


async def again(pair: Pair, query: str, **variables: Any) -> Any:
    """Ask the other process until the store has let go of what the dead one had begun."""
    async with asyncio.timeout(AGAIN_SECONDS):
        while "errors" in (answer := await pair.answer(1, query, variables)):
            assert [one["extensions"]["code"] for one in answer["errors"]] == ["UNAVAILABLE"], answer
    (value,) = answer["data"].values()
    return value


async def killed(
    pair: Pair, query: str, variables: Callable[[Batch], dict[str, Any]]
) -> tuple[dict[Batch, Any], list[Batch]]:
    """Send batches to one process until it is killed; returns the acknowledged ones, and those left without answer."""
    acknowledged: dict[Batch, Any] = {}
    left: list[Batch] = []

    async def write(writer: int) -> None:
        for number in itertools.count():
            batch = writer, number
            try:
                acknowledged[batch] = await pair.ask(0, query, **variables(batch))
            except httpx.HTTPError:
                left.append(batch)
                return
            if len(acknowledged) == ACKNOWLEDGED:
                pair.served[0].process.kill()

    await asyncio.gather(*[write(writer) for writer in range(WRITERS)])
    return acknowledged, left


def rows(batch: Batch) -> list[dict[str, Any]]:
    """Return the rows of a batch."""
    names = [f"{batch[0]}-{batch[1]}-{n}" for n in range(ROWS)]
    return [{"externalId": one, "emails": [{"address": f"{one}@x.example"}], "tags": ["kept"]} for one in names]


@pytest.mark.parametrize("atomic", [False, True])
async def test_batches_survive_kill_9(pair: Pair, tmp_path: Path, *, atomic: bool) -> None:
    """W kill -9 in batches of 1,000 rows T acknowledged ones are there, atomic ones whole or absent, none in halves."""
    acknowledged, left = await killed(pair, UPSERT, lambda batch: {"rows": rows(batch), "atomic": atomic})
    assert left
    for batch, payload in acknowledged.items():
        by = [{"email": one["emails"][0]["address"]} for one in rows(batch)]
        assert {one["status"] for one in payload["results"]} == {"CREATED"}
        assert await pair.ask(1, MATCH, by=by) == [one["person"]["id"] for one in payload["results"]]
    assert await asyncio.to_thread(pair.check, tmp_path) == "Nothing is wrong.\n"
    for batch in left:
        results = (await again(pair, UPSERT, rows=rows(batch), atomic=atomic))["results"]
        statuses = Counter(one["status"] for one in results)
        assert statuses.keys() <= {"CREATED", "NOT_MODIFIED"}
        assert not atomic or len(statuses) == 1
    total = (len(acknowledged) + len(left)) * ROWS
    assert await pair.engine.count("persons", {}) == total
    assert await pair.engine.count("events", {"type": "personCreated"}) == total
    assert await pair.findings() == []


def events(batch: Batch) -> list[dict[str, Any]]:
    """Return the events of a batch, each with an id."""
    ids = [f"{batch[0]}-{batch[1]}-{n}" for n in range(EVENTS)]
    return [{"person": {"externalId": f"p{n % PEOPLE}"}, "type": "paid", "eventId": one} for n, one in enumerate(ids)]


@pytest.mark.parametrize("atomic", [False, True])
async def test_events_survive_kill_9(pair: Pair, tmp_path: Path, *, atomic: bool) -> None:
    """W kill -9 in trackEvents T acknowledged ones are there, atomic calls whole or absent; sent again each is once."""
    await pair.ask(1, DEFINE, input={"id": "paid", "title": "Paid"})
    await pair.ask(1, UPSERT, rows=[{"externalId": f"p{n}"} for n in range(PEOPLE)])
    acknowledged, left = await killed(pair, TRACK, lambda batch: {"events": events(batch), "atomic": atomic})
    assert left
    for batch, payload in acknowledged.items():
        assert {one["status"] for one in payload["results"]} == {"ACCEPTED"}
        results = (await pair.ask(1, TRACK, events=events(batch), atomic=atomic))["results"]
        assert {one["status"] for one in results} == {"DUPLICATE"}
        ids = [[one["event"]["id"] for one in answer] for answer in (results, payload["results"])]
        assert ids[0] == ids[1]
    for batch in left:
        results = (await again(pair, TRACK, events=events(batch), atomic=atomic))["results"]
        statuses = {one["status"] for one in results}
        assert statuses <= {"ACCEPTED", "DUPLICATE"}
        assert not atomic or len(statuses) == 1
    total = (len(acknowledged) + len(left)) * EVENTS
    assert await pair.engine.count("events", {"type": "paid"}) == total
    assert await asyncio.to_thread(pair.check, tmp_path) == "Nothing is wrong.\n"


async def test_a_tag_that_is_deleted_is_told_though_who_tells_dies(pair: Pair) -> None:
    """W deleteTag is answered, and its process killed in the sweep T the other goes on, and each is told once."""
    removed = {"type": "tagRemoved"}
    await pair.ask(1, UPSERT, rows=rows((0, 0)))
    assert (await pair.ask(0, UNTAGGED, n="kept"))["errors"] == []
    (kept,) = await pair.engine.find(sweeps.COLLECTION, {})
    async with asyncio.timeout(AGAIN_SECONDS):
        while not await pair.engine.count("events", removed):
            pass
        pair.served[0].process.kill()
        assert await pair.engine.count("persons", {"tags.0": {"$exists": True}}) > 0
        # As if the dead one's time were over.
        await pair.engine.write(sweeps.COLLECTION, [Update({}, {"$set": {"due": clock.now()}}, many=True)])
        # Whoever deletes something sweeps at once.
        await pair.ask(1, UPSERT, rows=[{"externalId": "0-0-0", "tags": ["other"]}])
        await pair.ask(1, UNTAGGED, n="other")
        while await pair.engine.find(sweeps.COLLECTION, {"_id": kept["_id"], "late": None}):
            pass
    assert await pair.engine.count("persons", {"tags.0": {"$exists": True}}) == 0
    told = [one["person"] for one in await pair.engine.find("events", {**removed, "props.tag": "kept"})]
    assert (len(told), len(set(told))) == (ROWS, ROWS)
