"""Gives every server the same persons: the plain ones straight into their collections, ours through the public API."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from pymongo import ASCENDING, DESCENDING, MongoClient

from benchmarks import people, work
from benchmarks.load import Tally, drive
from benchmarks.people import Sample
from benchmarks.processes import ADMIN_KEY, Child, mongo_url

CALLERS = 64
EVENTS = 5000
EVENTS_CALLERS = 2
SEED_SECONDS = 240.0


class NotSeeded(Exception):  # noqa: N818
    """A server would not take the sample data."""


async def seed(name: str, server: Child, mongod: Child) -> list[Sample]:
    """Fill the server's database and return its persons; the first has the long timeline."""
    return await through_api(server) if name == "ours" else directly(name, mongod)


def directly(name: str, mongod: Child) -> list[Sample]:
    """Insert persons, claims and events, and the indexes that the list and the timeline ride."""
    rows = people.documents()
    with MongoClient(mongo_url(mongod)) as client:
        db: Any = client[f"bench_{name}"]
        db.persons.create_index([("createdAt", DESCENDING), ("_id", DESCENDING)])
        db.events.create_index([("person", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)])
        db.persons.insert_many(rows)
        db.claims.insert_many([people.claim(row) for row in rows])
        db.events.insert_many([people.created_event(row) for row in rows])
        db.events.insert_many(people.history(rows[0]["_id"]), ordered=False)
    return [Sample(row["_id"], wanted) for row, wanted in zip(rows, people.inputs(), strict=True)]


async def through_api(server: Child) -> list[Sample]:
    """Define the event, create every person by `createPerson` with many callers at once, then send the timeline."""
    fields = [{"name": name, "type": kind} for name, kind in people.EVENT_FIELDS.items()]
    definition = {"id": people.EVENT, "title": people.EVENT_TITLE, "fields": fields}
    defined: list[Sample] = []
    await send(server, iter([("Define", work.DEFINE, {"input": definition})]), defined, 1)
    made: list[Sample] = []
    asks = (("Create", work.CREATE, {"input": person}) for person in people.inputs())
    await send(server, asks, made, CALLERS)
    tracks = (("Track", work.TRACK, {"events": items}) for items in history(made[0].id))
    await send(server, tracks, [], EVENTS_CALLERS)
    return made


def history(person: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the inputs of a long timeline, by calls. Older than a month they would be refused."""
    began = datetime.now(UTC) - timedelta(days=1)
    for start in range(0, people.HISTORY, EVENTS):
        yield [
            {
                "person": {"id": person},
                "type": people.EVENT,
                "occurredAt": (began + people.APART * number).isoformat(timespec="milliseconds"),
                "properties": people.order(number),
            }
            for number in range(start, start + EVENTS)
        ]


async def send(
    server: Child,
    asks: Iterator[tuple[str, str, dict[str, Any]]],
    made: list[Sample],
    callers: int,
) -> None:
    """Send every document once; persons that come back are added to `made`. Raises NotSeeded on any failure."""

    def ask() -> tuple[bytes, object] | None:
        found = next(asks, None)
        if found is None:
            return None
        return work.request(work.document(*found), ADMIN_KEY), found[2].get("input")

    def check(body: bytes, wanted: Any) -> bool:
        answer = orjson.loads(body)
        payload = next(iter((answer.get("data") or {"": None}).values()))
        if answer.get("errors") or payload is None or payload.get("errors"):
            return False
        if any(one["status"] != "ACCEPTED" for one in payload.get("results", ())):
            return False
        if "person" in payload:
            made.append(Sample(payload["person"]["id"], wanted))
        return True

    tally = await drive(Tally(ask, check), server.port, callers, SEED_SECONDS)
    if tally.failed or next(asks, None) is not None:
        raise NotSeeded("\n".join([f"{tally.failed} failed, {len(made)} persons made", *tally.samples]))
