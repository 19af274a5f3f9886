"""The floor under one driver call per request: bare ASGI, motor, orjson, no framework, no GraphQL and no checks.

It takes the same request bodies as the others and goes by their operationName. An event is one insert that asks
nobody whether its person exists; a create is the transaction of claim, person and event that the others make too.
"""

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import DuplicateKeyError

from benchmarks.people import claim, created_event, document, event

HEADERS = [(b"content-type", b"application/json")]
PROFILE = dict.fromkeys(
    ("type", "firstName", "lastName", "externalId", "createdAt", "updatedAt", "version", "emails", "tags"),
    1,
)
ROW = dict.fromkeys(("type", "firstName", "lastName", "emails", "phones", "tags", "createdAt"), 1)

client: Any = AsyncIOMotorClient(os.environ["BENCH_MONGO_URL"])
db = client[os.environ["BENCH_MONGO_DATABASE"]]


async def person(variables: dict[str, Any]) -> dict[str, Any]:
    """Answer one person by id."""
    found = await db.persons.find_one({"_id": variables["id"]}, PROFILE)
    if found is not None:
        found["id"] = found.pop("_id")
    return {"person": found}


async def persons(_variables: dict[str, Any]) -> dict[str, Any]:
    """Answer the twenty newest, one more being read to know whether there is a next page."""
    rows = await db.persons.find({}, ROW, sort=[("createdAt", -1), ("_id", -1)], limit=21).to_list(21)
    nodes = rows[:20]
    for node in nodes:
        node["id"] = node.pop("_id")
    page = {"hasNextPage": len(rows) > 20, "endCursor": nodes[-1]["id"] if nodes else None}
    return {"persons": {"nodes": nodes, "pageInfo": page}}


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
    "Persons": persons,
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
