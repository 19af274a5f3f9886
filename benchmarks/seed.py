"""Gives every server the same persons: the plain ones straight into their collections, ours through the public API."""

from collections.abc import Iterator
from typing import Any

import orjson
from pymongo import DESCENDING, MongoClient

from benchmarks import people, work
from benchmarks.load import Tally, drive
from benchmarks.people import Sample
from benchmarks.processes import ADMIN_KEY, Child, mongo_url

CALLERS = 64
SEED_SECONDS = 240.0


class NotSeeded(Exception):  # noqa: N818
    """A server would not take the sample data."""


async def seed(name: str, server: Child, mongod: Child) -> list[Sample]:
    """Fill the server's database and return its persons."""
    return await through_api(server) if name == "ours" else directly(name, mongod)


def directly(name: str, mongod: Child) -> list[Sample]:
    """Insert persons, claims and creation events, and the one index that the list rides."""
    rows = people.documents()
    with MongoClient(mongo_url(mongod)) as client:
        db: Any = client[f"bench_{name}"]
        db.persons.create_index([("createdAt", DESCENDING), ("_id", DESCENDING)])
        db.persons.insert_many(rows)
        db.claims.insert_many([people.claim(row) for row in rows])
        db.events.insert_many([people.created_event(row) for row in rows])
    return [Sample(row["_id"], wanted) for row, wanted in zip(rows, people.inputs(), strict=True)]


async def through_api(server: Child) -> list[Sample]:
    """Define the event, then create every person by `createPerson` with many callers at once."""
    fields = [{"name": name, "type": kind} for name, kind in people.EVENT_FIELDS.items()]
    definition = {"id": people.EVENT, "title": people.EVENT_TITLE, "fields": fields}
    defined: list[Sample] = []
    await send(server, iter([("Define", work.DEFINE, {"input": definition})]), defined, 1)
    made: list[Sample] = []
    asks = (("Create", work.CREATE, {"input": person}) for person in people.inputs())
    await send(server, asks, made, CALLERS)
    return made


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
        return work.request(work.document(*found), ADMIN_KEY), found[2]["input"]

    def check(body: bytes, wanted: Any) -> bool:
        answer = orjson.loads(body)
        payload = next(iter((answer.get("data") or {"": None}).values()))
        if answer.get("errors") or payload is None or payload["errors"]:
            return False
        if "person" in payload:
            made.append(Sample(payload["person"]["id"], wanted))
        return True

    tally = await drive(Tally(ask, check), server.port, callers, SEED_SECONDS)
    if tally.failed or next(asks, None) is not None:
        raise NotSeeded("\n".join([f"{tally.failed} failed, {len(made)} persons made", *tally.samples]))
