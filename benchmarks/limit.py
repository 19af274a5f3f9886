"""The floor under one driver call per request: bare ASGI, motor, orjson, no framework, no GraphQL and no checks.

It takes the same request bodies as the others and goes by their operationName. An event is one insert and a timeline
one query, which ask nobody whether the person exists; a create is the transaction of claim, person and event that the
others make too.
"""

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import DuplicateKeyError

from benchmarks.people import claim, created_event, document, event
from benchmarks.work import EVENTS, LIST, PAGE

HEADERS = [(b"content-type", b"application/json")]
PROFILE = dict.fromkeys(
    ("type", "firstName", "lastName", "externalId", "createdAt", "updatedAt", "version", "emails", "tags"),
    1,
)
ROW = dict.fromkeys(("type", "firstName", "lastName", "emails", "phones", "tags", "createdAt"), 1)
HAPPENED = dict.fromkeys(("type", "at", "received", "source", "props"), 1)
NEWEST = [("createdAt", -1), ("_id", -1)]
LATEST = [("at", -1), ("_id", -1)]

client: Any = AsyncIOMotorClient(os.environ["BENCH_MONGO_URL"])
db = client[os.environ["BENCH_MONGO_DATABASE"]]


async def person(variables: dict[str, Any]) -> dict[str, Any]:
    """Answer one person by id."""
    found = await db.persons.find_one({"_id": variables["id"]}, PROFILE)
    if found is not None:
        found["id"] = found.pop("_id")
    return {"person": found}


async def persons(first: int, _variables: dict[str, Any]) -> dict[str, Any]:
    """Answer the newest persons."""
    return {"persons": page(await read(db.persons.find({}, ROW, sort=NEWEST), first), first)}


async def timeline(variables: dict[str, Any]) -> dict[str, Any]:
    """Answer the newest events of a person."""
    person = variables["id"]
    rows = await read(db.events.find({"person": person}, HAPPENED, sort=LATEST), EVENTS)
    for row in rows:
        row["occurredAt"], row["receivedAt"] = row.pop("at"), row.pop("received")
        row["properties"] = row.pop("props")
    return {"person": {"id": person, "timeline": page(rows, EVENTS)}}


async def read(cursor: Any, first: int) -> list[dict[str, Any]]:
    """Read a page in one call, and one row more to know whether there is a next page."""
    return list(await cursor.limit(first + 1).batch_size(first + 1).to_list(first + 1))


def page(rows: list[dict[str, Any]], first: int) -> dict[str, Any]:
    """Return the page that some rows make."""
    nodes = rows[:first]
    for node in nodes:
        node["id"] = node.pop("_id")
    info = {"hasNextPage": len(rows) > first, "endCursor": nodes[-1]["id"] if nodes else None}
    return {"nodes": nodes, "pageInfo": info}


async def create(variables: dict[str, Any]) -> dict[str, Any]:
    """Keep claim, person and event in one transaction; a taken email is refused."""
    new = document(variables["input"], datetime.now(UTC))
    try:
        async with await client.start_session() as session, session.start_transaction():
            await db.claims.insert_one(claim(new), session=session)
            await db.persons.insert_one(new, session=session)
            await db.events.insert_one(created_event(new), session=session)
    except DuplicateKeyError:
        return {"createPerson": {"person": None, "errors": [{"code": "DUPLICATE_EMAIL"}]}}
    return {"createPerson": {"person": {"id": new["_id"]}, "errors": []}}


async def track(variables: dict[str, Any]) -> dict[str, Any]:
    """Keep one event."""
    item = variables["events"][0]
    await db.events.insert_one(event(item["person"]["id"], item["type"], item["properties"], datetime.now(UTC)))
    return {"trackEvents": {"results": [{"status": "ACCEPTED"}]}}


Operations = dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]]
OPERATIONS: Operations = {
    "Person": person,
    "Persons": partial(persons, LIST),
    "Page": partial(persons, PAGE),
    "Timeline": timeline,
    "Create": create,
    "Track": track,
}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve one request."""
    await serve(OPERATIONS, scope, receive, send)


async def serve(operations: Operations, scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve one request; any path but POST answers empty, which is enough to be found ready."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if body:
        request = orjson.loads(body)
        data = {"data": await operations[request["operationName"]](request.get("variables") or {})}
        body = orjson.dumps(data, option=orjson.OPT_UTC_Z)
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]})
    await send({"type": "http.response.body", "body": body})
